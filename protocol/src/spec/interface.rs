//! One network interface of a container's VM.

use super::{InterfaceName, MacAddress, PciPath};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use thiserror::Error;

/// The most IP addresses of one interface.
pub const MAX_ADDRESSES: usize = 64;
/// The most routes through one interface.
pub const MAX_ROUTES: usize = 256;

/// The property by which the agent in a VM finds the NIC that an [`Interface`] is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NicMatch {
    /// The NIC has this MAC address, either now or as its permanent one (`IFLA_PERM_ADDRESS`).
    Mac(MacAddress),
    /// The NIC is at this position on the PCI bus.
    PciPath(PciPath),
    /// The NIC is in the physical slot with this number (`/sys/bus/pci/slots`); of several functions in the slot, the
    /// first one.
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

/// The MTU of an interface: the size of the largest IP packet (without the Ethernet header) in bytes, 68 (RFC 791) to
/// 65,535.
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

/// The error for a number that is not a valid [`Mtu`].
#[derive(Debug, Error, PartialEq, Eq)]
#[error("MTU {0} is not possible: use 68 to 65535 bytes")]
pub struct MtuError(u32);

/// The source of an interface's IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addressing {
    /// The interface has only the addresses of [`InterfaceParts::addresses`].
    Static,
    /// The agent leases addresses from a DHCP server of the network, in addition to
    /// [`InterfaceParts::addresses`].
    Dhcp,
}

/// The traffic that an interface, or a container on an external network, may send and receive. In a spec, the agent
/// enforces it in the guest, if it has [`Capability::Firewall`](crate::message::Capability::Firewall); otherwise it
/// applies nothing of an interface whose level is not `Open`. The level of an external network is enforced by the
/// coordinator on the VCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirewallLevel {
    /// All traffic in both directions.
    Open,
    /// No traffic in any direction.
    Closed,
    /// Only connections that the container begins, with their replies.
    Outbound,
    /// The traffic of `Outbound`, and all traffic with other containers of the same network.
    Peers,
    /// The traffic of `Outbound`, and connections from outside to the container's published ports (`-p`).
    Published,
}

/// A route of the VM through one of its interfaces, in the kernel's main table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// The destination network; bits beyond its prefix are zero. `0.0.0.0/0` or `::/0` makes a
    /// default route.
    pub destination: IpNet,
    /// The next hop, of the destination's address family; `None` if the destination is directly on
    /// the link.
    pub gateway: Option<IpAddr>,
    /// The priority (`RTA_PRIORITY`): of several routes to a destination, the kernel uses the one with the lowest
    /// metric. For IPv6, the kernel replaces 0 by 1024.
    pub metric: u32,
    /// Whether the kernel takes the gateway as directly reachable even if no subnet of the interface contains it
    /// (`RTNH_F_ONLINK`). If `false`, the kernel refuses a gateway that it can't reach on the link. Without a gateway,
    /// it has no effect.
    pub on_link: bool,
    /// The source address of packets that the guest sends by this route (`RTA_PREFSRC`); `None`
    /// lets the kernel choose.
    pub source: Option<IpAddr>,
}

/// The fields of an [`Interface`], not yet checked against each other. `Interface::try_from` checks
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceParts {
    /// The property by which the agent finds the VM's NIC for this interface.
    pub nic: NicMatch,
    /// The MAC address that the interface must have. The agent sets it if the NIC has another one.
    pub mac: MacAddress,
    /// The name that the interface must have, such as `eth0`.
    pub name: InterfaceName,
    /// The MTU that the interface must have; `None` leaves the present one.
    pub mtu: Option<Mtu>,
    /// Whether the addresses are only those of `addresses`, or DHCP adds some.
    pub addressing: Addressing,
    /// The IP addresses, each with the prefix length of its subnet. At most [`MAX_ADDRESSES`].
    pub addresses: Vec<IpNet>,
    /// The routes through the interface. At most [`MAX_ROUTES`].
    pub routes: Vec<Route>,
    /// The traffic that the interface lets pass. The agent applies nothing of the interface if it can't enforce this.
    pub firewall: FirewallLevel,
}

/// One network interface that a VM must have. Every value of this type has been checked; its fields are those of
/// [`InterfaceParts`], and can only be read.
///
/// The addresses are valid addresses of hosts, and no two are equal. A route's destination has no host bits. A route's
/// gateway and source have the destination's address family. The gateway is in a subnet of the interface, or the route
/// is on-link, or the gateway is IPv6 link-local, or the interface uses DHCP. The source is one of the interface's
/// addresses.
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
    /// Returns the interface's IP addresses, each with the prefix length of its subnet.
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

/// The reason why [`InterfaceParts`] are not a valid [`Interface`].
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InterfaceError {
    /// A list has more entries than the protocol allows.
    #[error("interface field `{field}` has {count} entries: at most {limit} are possible")]
    TooMany {
        /// The name of the list.
        field: &'static str,
        /// The number of its entries.
        count: usize,
        /// The greatest number allowed.
        limit: usize,
    },
    /// A host can't have this address: it is unspecified or multicast, or the network or broadcast
    /// address of its subnet.
    #[error("address {0} is not a host's: choose one inside the subnet")]
    NotAHost(IpNet),
    /// The interface has this address twice.
    #[error("address {0} is given twice: an address belongs to an interface once")]
    DuplicateAddress(IpAddr),
    /// This destination of a route has bits beyond its prefix.
    #[error("route destination {0} has host bits: write {net}", net = .0.trunc())]
    HostBits(IpNet),
    /// The route to this destination has a gateway or source (the second value) of the other
    /// address family.
    #[error("route to {0} has {1}, of another address family: use one family in a route")]
    MixedFamilies(IpNet, IpAddr),
    /// This gateway of a route is in no subnet of the interface, the route is not marked on-link, the gateway is not
    /// IPv6 link-local, and the interface does not use DHCP.
    #[error(
        "gateway {0} is in none of the interface's subnets: choose one inside, or mark the route on-link"
    )]
    GatewayOffLink(IpAddr),
    /// This source address of a route is not an address of the interface.
    #[error("route source {0} is not an address of the interface: use one of its own")]
    ForeignSource(IpAddr),
}
