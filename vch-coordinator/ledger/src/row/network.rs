//! The row of a network.

use super::{BridgeOptions, DnsTtl, InterfacePrefix};
use crate::{AddressRange, NetworkId, NetworkName};
use ipnet::IpNet;
use protocol::spec::{FirewallLevel, InterfaceName, Mtu};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// The kind of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkKind {
    /// A bridge network: a segment of the VCH, on which the VCH is gateway and name server.
    Bridge(SegmentKind),
    /// The predefined network of containers without a network; it has no segment.
    None,
    /// An external network, which the configuration declares.
    External(External),
    /// A configuration: it has no segment itself; bridge networks of this kind of segment are made
    /// of it.
    Configuration(SegmentKind),
}

/// The kind of segment that carries a bridge network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SegmentKind {
    /// A Linux bridge of the network's own.
    #[default]
    Dedicated,
    /// The bridge that carries all shared networks of the VCH, which only their subnets tell apart.
    Shared,
}

/// The configuration of an external network, beside its subnets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// The VCH's link to the network; containers can be attached if it is a bridge.
    pub interface: InterfaceName,
    /// The name servers of containers that are on external networks only.
    pub dns: Vec<IpAddr>,
    /// The source of addresses on the network.
    pub addressing: ExternalAddressing,
    /// The firewall level between the network and a container's tap.
    pub level: FirewallLevel,
    /// Whether the network is a default for published ports: those whose request names no address
    /// answer at the VCH's address here.
    pub published: bool,
}

/// The source of the addresses of an external network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternalAddressing {
    /// The VCH gives addresses, from the ranges of the subnets.
    #[default]
    Static,
    /// A DHCP server on the network gives addresses.
    Dhcp,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The network's ID.
    pub id: NetworkId,
    /// The network's name, unique on the VCH.
    pub name: NetworkName,
    /// The network's kind.
    pub kind: NetworkKind,
    /// Whether the VCH made the network itself; such a network can't be created or removed by a
    /// command.
    pub predefined: bool,
    /// The network's subnets, in the order in which addresses are searched. None overlaps another network's, except a
    /// configuration's.
    pub subnets: Vec<Subnet>,
    /// The MTU of the network's interfaces in bytes; `None` leaves the kernel's.
    pub mtu: Option<Mtu>,
    /// How long resolvers may cache answers about the network's names; `None` for the VCH's
    /// default.
    pub dns_ttl: Option<DnsTtl>,
    /// Whether the network has no route to the outside: no default route, no masquerade, no outside
    /// names.
    pub internal: bool,
    /// The caller's labels; the ledger does not read them.
    pub labels: BTreeMap<String, String>,
    /// The options of the network's bridge; the default for other kinds of networks.
    pub bridge: BridgeOptions,
    /// The network of kind configuration that it was made of.
    pub configuration: Option<NetworkId>,
    /// A document that other packages store with the network, and that the ledger does not read: at
    /// most [`MAX_NETWORK_DOCUMENT`](crate::MAX_NETWORK_DOCUMENT) bytes; empty if there is no
    /// document.
    pub document: Arc<str>,
    /// The time at which the network was created, in milliseconds since 1970.
    pub created_ms: u64,
}

impl Network {
    /// Returns the configuration of an external network; `None` for other kinds.
    pub fn external(&self) -> Option<&External> {
        match &self.kind {
            NetworkKind::External(external) => Some(external),
            NetworkKind::Bridge(_) | NetworkKind::None | NetworkKind::Configuration(_) => None,
        }
    }

    /// Returns whether the network is of kind configuration, which carries no containers. Its subnets block no other
    /// network's.
    pub fn is_configuration(&self) -> bool {
        matches!(self.kind, NetworkKind::Configuration(_))
    }

    /// Returns the beginning of the interfaces' names in containers, without the number.
    pub fn interface_prefix(&self) -> &str {
        let prefix = self.bridge.interface_prefix.as_ref();
        prefix.map_or("eth", InterfacePrefix::as_str)
    }

    /// Returns whether the network is a bridge network: the VCH is its gateway and name server.
    pub fn is_bridge(&self) -> bool {
        matches!(self.kind, NetworkKind::Bridge(_))
    }

    /// Returns the subnet that contains an address.
    pub fn subnet_of(&self, address: IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|s| s.net.contains(&address))
    }
}

/// One subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The subnet, without host bits.
    pub net: IpNet,
    /// The next hop of the containers' default route; the VCH itself on a bridge network. `None` on
    /// an external network without a router.
    pub gateway: Option<IpAddr>,
    /// The VCH's own address in the subnet; it is never given to an endpoint.
    pub vch: Option<IpAddr>,
    /// The ranges that automatic addresses come from; empty for the whole subnet.
    pub ranges: Vec<AddressRange>,
    /// Addresses that are never given to an endpoint, by the name that the caller gave each.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

impl Subnet {
    /// Returns whether it is an IPv4 subnet.
    pub fn is_v4(&self) -> bool {
        self.net.addr().is_ipv4()
    }

    /// Returns the least and the greatest number of a host address: without the subnet's own
    /// address and, for IPv4, the broadcast address.
    pub(crate) fn hosts(&self) -> (u128, u128) {
        let (first, last) = AddressRange::from(self.net).bounds();
        // IPv6 has no broadcast; its first address is the routers' anycast (RFC 4291, 2.6.1).
        (first + 1, if self.is_v4() { last - 1 } else { last })
    }

    /// Returns the VCH's address with the subnet's prefix length, as its link has it.
    pub fn vch_net(&self) -> Option<IpNet> {
        IpNet::new(self.vch?, self.net.prefix_len()).ok()
    }

    /// Returns the addresses that are never given to an endpoint: gateway, the VCH's own and the
    /// auxiliary ones.
    pub(crate) fn kept(&self) -> impl Iterator<Item = IpAddr> {
        let own = [self.gateway, self.vch].into_iter().flatten();
        own.chain(self.auxiliary.values().copied())
    }
}
