//! One interface of a container VM.

use super::{InterfaceName, MacAddress, PciPath};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use thiserror::Error;

/// The most addresses on one interface.
pub const MAX_ADDRESSES: usize = 64;
/// The most routes on one interface.
pub const MAX_ROUTES: usize = 256;

/// The property by which the agent finds the NIC of an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NicMatch {
    /// The NIC has this MAC address, at present or by its hardware (`IFLA_PERM_ADDRESS`).
    Mac(MacAddress),
    /// The NIC is at this position on the PCI bus.
    PciPath(PciPath),
    /// The NIC is in this physical slot (`/sys/bus/pci/slots`).
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

/// The size of the largest packet on a link in bytes: 68 (RFC 791) to 65,535.
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

/// The error of a number that is not an MTU.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("MTU {0} is not possible: use 68 to 65535 bytes")]
pub struct MtuError(u32);

/// The source of an interface's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addressing {
    /// The spec alone.
    Static,
    /// A DHCP server on the network, beside the spec's own addresses.
    Dhcp,
}

/// The traffic that an interface lets pass from and to its network, enforced in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirewallLevel {
    /// All traffic, both ways.
    Open,
    /// No traffic, either way.
    Closed,
    /// Traffic that the container begins.
    Outbound,
    /// Traffic of `Outbound`, and traffic with other containers of the network.
    Peers,
    /// Traffic of `Outbound`, and traffic to opened ports.
    Published,
}

/// A route through an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// The destination, without host bits. `0.0.0.0/0` or `::/0` is a default route.
    pub destination: IpNet,
    /// The next hop, of the destination's family; `None` if the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The preference: the lowest wins (`RTA_PRIORITY`).
    pub metric: u32,
    /// Whether the gateway counts as on the link even if no address covers it (`RTNH_F_ONLINK`).
    pub on_link: bool,
    /// The source address of packets that the guest itself sends (`RTA_PREFSRC`).
    pub source: Option<IpAddr>,
}

/// The parts of an interface, before they are checked against one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceParts {
    /// The property by which the NIC is found.
    pub nic: NicMatch,
    /// The MAC address that the interface must have; the agent sets it if the NIC has another.
    pub mac: MacAddress,
    /// The name that the interface must have.
    pub name: InterfaceName,
    /// The MTU that the interface must have; `None` leaves the kernel's.
    pub mtu: Option<Mtu>,
    /// The source of the addresses.
    pub addressing: Addressing,
    /// The addresses, each with the prefix length of its subnet.
    pub addresses: Vec<IpNet>,
    /// The routes through the interface.
    pub routes: Vec<Route>,
    /// The firewall level.
    pub firewall: FirewallLevel,
}

/// One interface that a VM must have; a value of this type always fulfils its invariants.
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
    /// Returns the addresses, each with its prefix length.
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

/// The reason for which parts do not make an interface.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InterfaceError {
    /// A list is longer than the protocol allows.
    #[error("interface field `{field}` has {count} entries: at most {limit} are possible")]
    TooMany {
        /// The list.
        field: &'static str,
        /// The list's length.
        count: usize,
        /// The greatest length allowed.
        limit: usize,
    },
    /// The address can't be a host's: it is unspecified, multicast, or a subnet's own or broadcast
    /// address.
    #[error("address {0} is not a host's: choose one inside the subnet")]
    NotAHost(IpNet),
    /// The interface has an address twice.
    #[error("address {0} is given twice: an address belongs to an interface once")]
    DuplicateAddress(IpAddr),
    /// A route's destination has bits set beyond its prefix.
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
