//! One interface of a container VM.

use super::{InterfaceName, MacAddress, PciPath};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use thiserror::Error;

/// Most addresses on one interface.
pub const MAX_ADDRESSES: usize = 64;
/// Most routes on one interface.
pub const MAX_ROUTES: usize = 256;

/// By what the agent knows the NIC that carries an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NicMatch {
    /// The NIC bears this address, at present or by its hardware (`IFLA_PERM_ADDRESS`).
    Mac(MacAddress),
    /// The NIC sits at this position on the PCI bus.
    PciPath(PciPath),
    /// The NIC sits in this physical slot (`/sys/bus/pci/slots`).
    PciSlot(u32),
}

impl fmt::Display for NicMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => write!(f, "the NIC with MAC address {mac}"),
            Self::PciPath(path) => write!(f, "the NIC at PCI path {path}"),
            Self::PciSlot(slot) => write!(f, "the NIC in PCI slot {slot}"),
        }
    }
}

/// Bytes of the largest packet on a link: 68 (RFC 791) to 65,535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Mtu(u32);

impl TryFrom<u32> for Mtu {
    type Error = MtuError;

    fn try_from(bytes: u32) -> Result<Self, MtuError> {
        if (68..=65_535).contains(&bytes) {
            return Ok(Self(bytes));
        }
        Err(MtuError(bytes))
    }
}

impl From<Mtu> for u32 {
    fn from(mtu: Mtu) -> Self {
        mtu.0
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A number that is no MTU.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("MTU {0} is not possible: use 68 to 65535 bytes")]
pub struct MtuError(u32);

/// From where an interface has its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addressing {
    /// From the spec.
    Static,
    /// From a DHCP server on the network, beside those of the spec.
    Dhcp,
}

/// What may reach the interface from its network, enforced in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirewallLevel {
    /// Everything, both ways.
    Open,
    /// Nothing, either way.
    Closed,
    /// What the container began.
    Outbound,
    /// That, and other containers of the network.
    Peers,
    /// That of `Outbound`, and opened ports.
    Published,
}

/// A route through an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Where to; host bits are zero. `0.0.0.0/0` or `::/0` is a default route.
    pub destination: IpNet,
    /// Next hop, of the destination's family; `None` for what is on the link.
    pub gateway: Option<IpAddr>,
    /// Preference: the lowest wins (`RTA_PRIORITY`).
    pub metric: u32,
    /// Take the gateway as on the link even when no address covers it (`RTNH_F_ONLINK`).
    pub on_link: bool,
    /// Source address of packets that the guest itself begins (`RTA_PREFSRC`).
    pub source: Option<IpAddr>,
}

/// The parts of an interface, before they are checked against one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceParts {
    /// By what the NIC is found.
    pub nic: NicMatch,
    /// The MAC address that the interface must bear; the agent sets it where the NIC has another.
    pub mac: MacAddress,
    /// The name that it must bear.
    pub name: InterfaceName,
    /// The MTU that it must have; `None` leaves it alone.
    pub mtu: Option<Mtu>,
    /// From where it has addresses.
    pub addressing: Addressing,
    /// Addresses, each with the prefix length of its subnet.
    pub addresses: Vec<IpNet>,
    /// Routes through it.
    pub routes: Vec<Route>,
    /// What may reach it.
    pub firewall: FirewallLevel,
}

/// One interface that a VM must have; holds its invariants by construction.
///
/// Addresses are usable host addresses and differ; a route's destination has no host bits; its
/// gateway and source are of the destination's family; the gateway is covered by an address unless
/// it is taken as on the link; the source is one of the interface's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "InterfaceParts", into = "InterfaceParts")]
pub struct Interface(InterfaceParts);

impl std::ops::Deref for Interface {
    type Target = InterfaceParts;

    fn deref(&self) -> &InterfaceParts {
        &self.0
    }
}

impl Interface {
    /// The addresses, each with its prefix length.
    pub fn addresses(&self) -> &[IpNet] {
        &self.0.addresses
    }
}

impl From<Interface> for InterfaceParts {
    fn from(interface: Interface) -> Self {
        interface.0
    }
}

impl TryFrom<InterfaceParts> for Interface {
    type Error = InterfaceError;

    fn try_from(parts: InterfaceParts) -> Result<Self, InterfaceError> {
        for (field, count, limit) in [
            ("addresses", parts.addresses.len(), MAX_ADDRESSES),
            ("routes", parts.routes.len(), MAX_ROUTES),
        ] {
            if count > limit {
                return Err(InterfaceError::TooMany {
                    field,
                    count,
                    limit,
                });
            }
        }
        for (index, address) in parts.addresses.iter().enumerate() {
            let ip = address.addr();
            if ip.is_unspecified() || ip.is_multicast() || is_subnet_or_broadcast(address) {
                return Err(InterfaceError::NotAHost(*address));
            }
            if parts.addresses[..index].iter().any(|a| a.addr() == ip) {
                return Err(InterfaceError::DuplicateAddress(ip));
            }
        }
        for route in &parts.routes {
            check_route(route, &parts)?;
        }
        Ok(Self(parts))
    }
}

fn is_subnet_or_broadcast(address: &IpNet) -> bool {
    match address {
        // RFC 3021: a /31 has two hosts and neither subnet nor broadcast address.
        IpNet::V4(net) => {
            net.prefix_len() < 31 && (net.addr() == net.network() || net.addr() == net.broadcast())
        }
        IpNet::V6(_) => false,
    }
}

fn check_route(route: &Route, interface: &InterfaceParts) -> Result<(), InterfaceError> {
    let destination = route.destination;
    if destination.trunc() != destination {
        return Err(InterfaceError::HostBits(destination));
    }
    let v4 = destination.addr().is_ipv4();
    for ip in route.gateway.iter().chain(&route.source) {
        if ip.is_ipv4() != v4 {
            return Err(InterfaceError::MixedFamilies(destination, *ip));
        }
    }
    if let Some(gateway) = route.gateway {
        let link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let covered = interface.addresses.iter().any(|a| a.contains(&gateway));
        let leased = interface.addressing == Addressing::Dhcp;
        if !(covered || route.on_link || link_local || leased) {
            return Err(InterfaceError::GatewayOffLink(gateway));
        }
    }
    match route.source {
        Some(ip) if !interface.addresses.iter().any(|a| a.addr() == ip) => {
            Err(InterfaceError::ForeignSource(ip))
        }
        _ => Ok(()),
    }
}

/// Why parts do not make an interface.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InterfaceError {
    /// A list is longer than the protocol lets through.
    #[error("interface field `{field}` has {count} entries: at most {limit} are possible")]
    TooMany {
        /// The list.
        field: &'static str,
        /// Its length.
        count: usize,
        /// The most that may be.
        limit: usize,
    },
    /// The address is no host's: unspecified, multicast, or a subnet's own or broadcast address.
    #[error("address {0} is not a host's: choose one inside the subnet")]
    NotAHost(IpNet),
    /// The interface was to have an address twice.
    #[error("address {0} is given twice: an address belongs to an interface once")]
    DuplicateAddress(IpAddr),
    /// A route's destination has bits beyond its prefix.
    #[error("route destination {0} has host bits: write {net}", net = .0.trunc())]
    HostBits(IpNet),
    /// A route mixes IPv4 and IPv6.
    #[error("route to {0} has {1}, of another address family: use one family in a route")]
    MixedFamilies(IpNet, IpAddr),
    /// A route's gateway is not on the link.
    #[error(
        "gateway {0} is in none of the interface's subnets: choose one inside, or mark the route on-link"
    )]
    GatewayOffLink(IpAddr),
    /// A route's source is not an address of the interface.
    #[error("route source {0} is not an address of the interface: use one of its own")]
    ForeignSource(IpAddr),
}
