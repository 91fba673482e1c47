//! A network's row.

use crate::{AddressRange, NetworkId, NetworkName};
use ipnet::IpNet;
use protocol::spec::Mtu;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};

/// What carries a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkKind {
    /// A bridge of the VCH, with the VCH on it as gateway and name server.
    Bridge,
    /// Nothing: the network of containers that want none.
    None,
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
    /// Its subnets, in the order in which they are tried. None overlaps another network's.
    pub subnets: Vec<Subnet>,
    /// The MTU of its interfaces; `None` leaves them at the kernel's.
    pub mtu: Option<Mtu>,
    /// Without a way out: no default route, no masquerade, no outside names.
    pub internal: bool,
    /// The caller's own marks.
    pub labels: BTreeMap<String, String>,
    /// Options for what carries it, kept as given.
    pub options: BTreeMap<String, String>,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
}

impl Network {
    /// The gateway of the first subnet of a family: what containers use as gateway and name server.
    pub fn gateway(&self, v4: bool) -> Option<IpAddr> {
        let mut subnets = self.subnets.iter().filter(|s| s.is_v4() == v4);
        subnets.next().map(|subnet| subnet.gateway)
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
    /// The VCH's own address in it.
    pub gateway: IpAddr,
    /// Where automatic addresses come from; `None` for the whole subnet.
    pub range: Option<IpNet>,
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

    /// The gateway with the subnet's prefix length, as the bridge bears it.
    pub fn gateway_net(&self) -> IpNet {
        // The prefix length is that of a net of the same family.
        IpNet::new(self.gateway, self.net.prefix_len()).unwrap_or(self.net)
    }
}
