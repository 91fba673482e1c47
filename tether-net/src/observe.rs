//! The observed state of the kernel: links, addresses, and the routes of its main table.
//!
//! Left out, since no plan changes them: link-local IPv6 addresses and what the kernel makes by
//! itself (routes of protocol `kernel` and `redirect`, tables other than main).

mod kernel;
mod sysfs;

pub use kernel::{ObserveError, observe};
pub use sysfs::Sysfs;

use ipnet::IpNet;
use protocol::spec::{MacAddress, PciPath, Route};
use std::collections::{BTreeMap, BTreeSet};

/// The kernel's state, as far as plans are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The links, by index.
    pub links: BTreeMap<u32, Link>,
    /// The addresses, without link-local IPv6 ones.
    pub addresses: BTreeSet<Address>,
    /// The unicast routes of the main table with one next hop that the kernel did not make itself.
    pub routes: BTreeSet<LinkRoute>,
}

impl Observed {
    /// Returns the addresses of one link, in order.
    pub fn addresses_of(&self, link: u32) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |a| a.link == link)
    }

    /// Returns the routes through one link, in order.
    pub fn routes_of(&self, link: u32) -> impl Iterator<Item = &LinkRoute> {
        self.routes.iter().filter(move |r| r.link == link)
    }
}

/// A link of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The name; it may be one that the protocol does not allow.
    pub name: String,
    /// The kind of the link.
    pub kind: LinkKind,
    /// The MAC address at present; `None` if it is not a unicast Ethernet address.
    pub mac: Option<MacAddress>,
    /// The MAC address of the hardware (`IFLA_PERM_ADDRESS`), if it has one.
    pub permanent_mac: Option<MacAddress>,
    /// The position on the PCI bus, if the link has one.
    pub pci: Option<PciLocation>,
    /// The MTU in bytes.
    pub mtu: u32,
    /// Whether the link is set up (`IFF_UP`).
    pub up: bool,
    /// Whether the link has a carrier (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// Whether the link's group is [`MARK`](crate::MARK): the agent has set it up.
    pub marked: bool,
    /// The state of the link's sysctls that the agent sets.
    pub sysctls: Sysctls,
}

/// The kind of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// `ARPHRD_ETHER`: a link that may carry an interface of a spec.
    Ethernet,
    /// `ARPHRD_LOOPBACK`.
    Loopback,
    /// Any other kind.
    Other,
}

/// The position of a NIC on the PCI bus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PciLocation {
    /// The way from the root bus.
    pub path: PciPath,
    /// The number of the physical slot, if the kernel knows one.
    pub slot: Option<u32>,
}

/// Whether a link's sysctls are as the agent needs them; `None` if the kernel does not have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sysctls {
    /// Whether `net.ipv6.conf.NAME.accept_ra` is 0.
    pub refuses_router_advertisements: Option<bool>,
    /// Whether `net.ipv4.conf.NAME.promote_secondaries` is 1.
    pub promotes_secondaries: Option<bool>,
}

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The link's index.
    pub link: u32,
    /// The address (`IFA_LOCAL`) with its prefix length.
    pub net: IpNet,
    /// Whether the agent set the address.
    pub ours: bool,
}

/// A route through a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkRoute {
    /// The link's index.
    pub link: u32,
    /// The route: destination, next hop and preference.
    pub route: Route,
    /// Whether the agent set the route: its protocol is [`MARK`](crate::MARK).
    pub ours: bool,
}
