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
    /// A bridge network: a Linux bridge of the VCH carries it, and the VCH is its gateway and name server.
    Bridge(SegmentKind),
    /// The predefined network `none`, for containers without a network. No link carries it.
    None,
    /// An external network: the configuration file declares it, and an existing link of the VCH leads to it.
    External(External),
    /// A network of kind configuration (Docker's `--config-only`): other bridge networks are created from it, with this
    /// kind of bridge. It carries no containers itself.
    Configuration(SegmentKind),
}

/// The kind of Linux bridge that carries a bridge network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SegmentKind {
    /// A bridge for this network alone.
    #[default]
    Dedicated,
    /// The one bridge that all shared networks of the VCH use. The networks on it are told apart by their subnets, and
    /// the VCH lets no frame pass from one to another.
    Shared,
}

/// The settings of an external network, beside its name and subnets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// The name of the VCH's interface on the network, which exists already. Containers can use the network only if it
    /// is a bridge.
    pub interface: InterfaceName,
    /// The DNS servers of containers that are on external networks only and have no servers of their own; may be empty.
    pub dns: Vec<IpAddr>,
    /// The source of addresses on the network: the VCH, or a DHCP server.
    pub addressing: ExternalAddressing,
    /// The firewall level: which traffic may pass between the network and a container.
    pub level: FirewallLevel,
    /// Whether a port that is published without a host address answers at the VCH's address on this network.
    pub published: bool,
}

/// The source of addresses on an external network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternalAddressing {
    /// The VCH chooses them, from the ranges of the network's subnets.
    #[default]
    Static,
    /// A DHCP server on the network gives the addresses.
    Dhcp,
}

/// A network: the decisions of the ledger about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The network's ID.
    pub id: NetworkId,
    /// The network's name, unique on the VCH.
    pub name: NetworkName,
    /// The kind of the network, with the settings of its kind.
    pub kind: NetworkKind,
    /// Whether the VCH made the network itself: `none`, the default bridge, and the external networks of the
    /// configuration. Such a network can't be removed by `RemoveNetwork`.
    pub predefined: bool,
    /// The network's subnets, in the order in which addresses are searched. The subnets of different networks do not
    /// overlap, except those of networks of kind configuration.
    pub subnets: Vec<Subnet>,
    /// The MTU of the network's own bridge, of its endpoints' links and of their interfaces in the VMs, in bytes;
    /// `None` for the kernel's default.
    pub mtu: Option<Mtu>,
    /// How long DNS resolvers may cache answers about the network's names; `None` for the default of the VCH's
    /// configuration.
    pub dns_ttl: Option<DnsTtl>,
    /// Whether the network is isolated from the outside: no default route, no masquerading, no outside names (Docker's
    /// `--internal`).
    pub internal: bool,
    /// The labels that the caller gave the network, as in Docker. The ledger does not read them.
    pub labels: BTreeMap<String, String>,
    /// The options of the network's bridge; for a network of kind configuration, of the bridges of networks created
    /// from it. `none` and external networks have the defaults, without effect.
    pub bridge: BridgeOptions,
    /// The network of kind configuration (Docker's `--config-only`) that this network was created from; `None` if it
    /// has its own configuration.
    pub configuration: Option<NetworkId>,
    /// A text that other packages store with the network, and that the ledger does not read: at most
    /// [`MAX_NETWORK_DOCUMENT`](crate::MAX_NETWORK_DOCUMENT) bytes; empty if nothing was stored.
    pub document: Arc<str>,
    /// The time at which the network was created, in milliseconds since 1970 (UTC).
    pub created_ms: u64,
}

impl Network {
    /// Returns the settings of an external network; `None` for networks of other kinds.
    pub fn external(&self) -> Option<&External> {
        match &self.kind {
            NetworkKind::External(external) => Some(external),
            NetworkKind::Bridge(_) | NetworkKind::None | NetworkKind::Configuration(_) => None,
        }
    }

    /// Returns whether the network is of kind configuration (Docker's `--config-only`). It carries no containers, and
    /// other networks may have its subnets.
    pub fn is_configuration(&self) -> bool {
        matches!(self.kind, NetworkKind::Configuration(_))
    }

    /// Returns the beginning of the interface names in the containers' VMs, without the number: `eth` by default.
    pub fn interface_prefix(&self) -> &str {
        let prefix = self.bridge.interface_prefix.as_ref();
        prefix.map_or("eth", InterfacePrefix::as_str)
    }

    /// Returns whether the network is a bridge network, whose gateway and name server the VCH is.
    pub fn is_bridge(&self) -> bool {
        matches!(self.kind, NetworkKind::Bridge(_))
    }

    /// Returns the subnet that contains an address; `None` if the network has no such subnet.
    pub fn subnet_of(&self, address: IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|s| s.net.contains(&address))
    }
}

/// One subnet of a network, with its gateway and reserved addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The subnet's address and prefix length, without host bits.
    pub net: IpNet,
    /// The gateway of the containers' default route. On a bridge network it is the VCH itself; `None` on an external
    /// network without a router.
    pub gateway: Option<IpAddr>,
    /// The VCH's own address in the subnet, which no container gets; `None` on an external network on which the VCH has
    /// none.
    pub vch: Option<IpAddr>,
    /// The ranges from which the VCH chooses addresses; empty for the whole subnet.
    pub ranges: Vec<AddressRange>,
    /// Auxiliary addresses, which no container gets. The key is the name that the caller gave the address.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

impl Subnet {
    /// Returns whether this is an IPv4 subnet.
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

    /// Returns the VCH's own address with the subnet's prefix length, as the VCH's link gets it; `None` if the VCH has
    /// no address in the subnet.
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
