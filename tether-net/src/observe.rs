//! What the kernel has: links, addresses, and the routes of its main table.
//!
//! Left out, as no one's to plan: link-local IPv6 addresses and what the kernel makes by itself
//! (routes of protocol `kernel` and `redirect`, tables other than main).

mod kernel;
mod sysfs;

pub use kernel::{ObserveError, observe};
pub use sysfs::Sysfs;

use ipnet::IpNet;
use protocol::spec::{MacAddress, PciPath, Route};
use std::collections::{BTreeMap, BTreeSet};

/// What the kernel has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// All links, by index.
    pub links: BTreeMap<u32, Link>,
    /// All addresses but link-local IPv6 ones.
    pub addresses: BTreeSet<Address>,
    /// Unicast routes of the main table with one next hop, that did not come from the kernel.
    pub routes: BTreeSet<LinkRoute>,
}

impl Observed {
    /// The addresses of one link, in order.
    pub fn addresses_of(&self, link: u32) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |a| a.link == link)
    }

    /// The routes through one link, in order.
    pub fn routes_of(&self, link: u32) -> impl Iterator<Item = &LinkRoute> {
        self.routes.iter().filter(move |r| r.link == link)
    }
}

/// A link of the kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name; may be one that the protocol would not let through.
    pub name: String,
    /// What kind it is.
    pub kind: LinkKind,
    /// The address that it bears; `None` where that is no unicast Ethernet address.
    pub mac: Option<MacAddress>,
    /// The address of its hardware (`IFLA_PERM_ADDRESS`), where it has one.
    pub permanent_mac: Option<MacAddress>,
    /// Where it sits on the PCI bus, if it does.
    pub pci: Option<PciLocation>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Set up (`IFF_UP`).
    pub up: bool,
    /// Has a carrier (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// Its group is [`MARK`](crate::MARK): the agent has set it up.
    pub marked: bool,
    /// Its sysctls that the agent sets.
    pub sysctls: Sysctls,
}

/// What kind of link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// `ARPHRD_ETHER`: one that may carry an interface of a spec.
    Ethernet,
    /// `ARPHRD_LOOPBACK`.
    Loopback,
    /// Any other.
    Other,
}

/// Where a NIC sits on the PCI bus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PciLocation {
    /// The way from the root bus.
    pub path: PciPath,
    /// The number of its physical slot, where the kernel knows one.
    pub slot: Option<u32>,
}

/// Whether a link's sysctls are as the agent needs them; `None` where the kernel lacks one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sysctls {
    /// `net.ipv6.conf.NAME.accept_ra` is 0.
    pub refuses_router_advertisements: Option<bool>,
    /// `net.ipv4.conf.NAME.promote_secondaries` is 1.
    pub promotes_secondaries: Option<bool>,
}

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The link's index.
    pub link: u32,
    /// The address (`IFA_LOCAL`) with its prefix length.
    pub net: IpNet,
    /// The agent set it.
    pub ours: bool,
}

/// A route through a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkRoute {
    /// The link's index.
    pub link: u32,
    /// Where to and how.
    pub route: Route,
    /// The agent set it: its protocol is [`MARK`](crate::MARK).
    pub ours: bool,
}
