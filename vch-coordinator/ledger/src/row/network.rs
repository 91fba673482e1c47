//! A network's row.

use super::{BridgeOptions, DnsTtl, InterfacePrefix};
use crate::{AddressRange, NetworkId, NetworkName};
use ipnet::IpNet;
use protocol::spec::{FirewallLevel, InterfaceName, Mtu};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// What carries a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkKind {
    /// A segment of the VCH, with the VCH on it as gateway and name server.
    Bridge(SegmentKind),
    /// Nothing: the network of containers that want none.
    None,
    /// A network outside, which the configuration declares.
    External(External),
    /// Nothing: a configuration of which bridge networks are made, on this segment.
    Configuration(SegmentKind),
}

/// The L2 that carries a bridge network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SegmentKind {
    /// A Linux bridge of its own.
    #[default]
    Dedicated,
    /// The one that all shared networks of the VCH are on, told apart by their subnets alone.
    Shared,
}

/// What the configuration says of an external network, beside its subnets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// The VCH's link to it; containers can be attached where it is a bridge.
    pub interface: InterfaceName,
    /// The name servers of containers that are on external networks only.
    pub dns: Vec<IpAddr>,
    /// Who gives addresses there.
    pub addressing: ExternalAddressing,
    /// What may pass between it and a container's tap.
    pub level: FirewallLevel,
    /// Whether ports that name no address of the VCH are published here.
    pub published: bool,
}

/// Who gives the addresses of an external network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternalAddressing {
    /// The VCH, from the ranges of the subnets.
    #[default]
    Static,
    /// A DHCP server out there.
    Dhcp,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its identity.
    pub id: NetworkId,
    /// Its name, unique on the VCH.
    pub name: NetworkName,
    /// What carries it.
    pub kind: NetworkKind,
    /// Made by the VCH itself: can't be removed, nor made by a caller.
    pub predefined: bool,
    /// Its subnets, in the order in which they are tried. None overlaps another network's, but for a
    /// configuration's.
    pub subnets: Vec<Subnet>,
    /// The MTU of its interfaces; `None` leaves them at the kernel's.
    pub mtu: Option<Mtu>,
    /// How long answers about its names may be kept; `None` for the VCH's default.
    pub dns_ttl: Option<DnsTtl>,
    /// Without a way out: no default route, no masquerade, no outside names.
    pub internal: bool,
    /// The caller's own marks.
    pub labels: BTreeMap<String, String>,
    /// What its bridge does with its containers' traffic; the default of what is no bridge network.
    pub bridge: BridgeOptions,
    /// The configuration that it was made of.
    pub configuration: Option<NetworkId>,
    /// A text that others keep with it, and that the ledger does not read: at most
    /// [`MAX_NETWORK_DOCUMENT`](crate::MAX_NETWORK_DOCUMENT) bytes; empty for none.
    pub document: Arc<str>,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
}

impl Network {
    /// What the configuration says of it, if it is an external one.
    pub fn external(&self) -> Option<&External> {
        match &self.kind {
            NetworkKind::External(external) => Some(external),
            NetworkKind::Bridge(_) | NetworkKind::None | NetworkKind::Configuration(_) => None,
        }
    }

    /// Whether it is a configuration of others, and carries nothing itself. Its subnets are in nobody's way.
    pub fn is_configuration(&self) -> bool {
        matches!(self.kind, NetworkKind::Configuration(_))
    }

    /// Returns how its containers' interfaces are called, without the number behind it.
    pub fn interface_prefix(&self) -> &str {
        let prefix = self.bridge.interface_prefix.as_ref();
        prefix.map_or("eth", InterfacePrefix::as_str)
    }

    /// Whether the VCH is its gateway and name server.
    pub fn is_bridge(&self) -> bool {
        matches!(self.kind, NetworkKind::Bridge(_))
    }

    /// The subnet that covers an address.
    pub fn subnet_of(&self, address: IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|s| s.net.contains(&address))
    }
}

/// One subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The subnet; no host bits.
    pub net: IpNet,
    /// The next hop of its containers' default route: of a bridge network the VCH itself. `None` on
    /// an external network that leads nowhere.
    pub gateway: Option<IpAddr>,
    /// The VCH's own address in it; never handed out.
    pub vch: Option<IpAddr>,
    /// Where automatic addresses come from; empty for the whole subnet.
    pub ranges: Vec<AddressRange>,
    /// Addresses that are never handed out, each with the name under which it was kept back.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

impl Subnet {
    /// Whether it is an IPv4 subnet.
    pub fn is_v4(&self) -> bool {
        self.net.addr().is_ipv4()
    }

    /// The least and the greatest number of a host in it: without the subnet's own address and, for
    /// IPv4, the broadcast address.
    pub(crate) fn hosts(&self) -> (u128, u128) {
        let (first, last) = AddressRange::from(self.net).bounds();
        // IPv6 has no broadcast; its first address is the routers' anycast (RFC 4291, 2.6.1).
        (first + 1, if self.is_v4() { last - 1 } else { last })
    }

    /// The VCH's address with the subnet's prefix length, as its link bears it.
    pub fn vch_net(&self) -> Option<IpNet> {
        IpNet::new(self.vch?, self.net.prefix_len()).ok()
    }

    /// What is never handed out: gateway, the VCH's address and the auxiliary ones.
    pub(crate) fn kept(&self) -> impl Iterator<Item = IpAddr> {
        let own = [self.gateway, self.vch].into_iter().flatten();
        own.chain(self.auxiliary.values().copied())
    }
}
