//! The observed state of the kernel's network: links, addresses, and the routes of the main table.
//!
//! Not included, since no plan changes them: link-local IPv6 addresses, the routes that the kernel
//! makes by itself (protocols `kernel` and `redirect`), and other tables.

mod kernel;
mod sysfs;

pub use kernel::{ObserveError, observe};
pub use sysfs::Sysfs;

use ipnet::IpNet;
use protocol::spec::{MacAddress, PciPath, Route};
use std::collections::{BTreeMap, BTreeSet};

/// The state of the VM's network, as read from the kernel: all that a [`Plan`](crate::plan::Plan)
/// depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The network links, by their indices.
    pub links: BTreeMap<u32, Link>,
    /// The addresses of all links, except link-local IPv6 ones; also those that other programs added.
    pub addresses: BTreeSet<Address>,
    /// The unicast routes of the main table, except those that the kernel made itself and those with several next hops;
    /// also those that other programs added.
    pub routes: BTreeSet<LinkRoute>,
}

impl Observed {
    /// Returns the addresses of the link with this index, in ascending order; none if no link has the index.
    pub fn addresses_of(&self, link: u32) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |a| a.link == link)
    }

    /// Returns the routes through the link with this index, in ascending order of their destinations; none if no link
    /// has the index.
    pub fn routes_of(&self, link: u32) -> impl Iterator<Item = &LinkRoute> {
        self.routes.iter().filter(move |r| r.link == link)
    }
}

/// A network link of the VM, as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The link's name. Another program may have given it one that
    /// [`InterfaceName`](protocol::spec::InterfaceName) does not allow.
    pub name: String,
    /// Whether the link is an Ethernet NIC, loopback or another kind.
    pub kind: LinkKind,
    /// The present MAC address; `None` if the link has none, or one that is not unicast Ethernet.
    pub mac: Option<MacAddress>,
    /// The MAC address that the hardware has (`IFLA_PERM_ADDRESS`), whatever the present one is; `None` if the kernel
    /// reports none, as for many virtual links.
    pub permanent_mac: Option<MacAddress>,
    /// The position on the PCI bus; `None` if the link is not a PCI device's, or `/sys` does not show it (because it is
    /// mounted for another network namespace).
    pub pci: Option<PciLocation>,
    /// The MTU in bytes.
    pub mtu: u32,
    /// Whether the link is set up (`IFF_UP`), with or without a carrier.
    pub up: bool,
    /// Whether the link is up and has a carrier (`IFF_LOWER_UP`), so that it can send.
    pub carrier: bool,
    /// Whether the link has the agent's mark: its group is [`MARK`](crate::MARK). The agent marks each link that it
    /// configures; one without mark is not set down when the spec does not have it.
    pub marked: bool,
    /// Whether the two kernel settings of the link that the agent changes have the values that it needs.
    pub sysctls: Sysctls,
}

/// The kind of a network link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// An Ethernet link (`ARPHRD_ETHER`). Only these can be the NIC of an interface that the
    /// coordinator wants.
    Ethernet,
    /// The loopback link (`ARPHRD_LOOPBACK`).
    Loopback,
    /// Any other kind.
    Other,
}

/// The position of a NIC on the PCI bus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PciLocation {
    /// The devices and functions from the root bus down to the NIC.
    pub path: PciPath,
    /// The number of the physical slot (`/sys/bus/pci/slots`); `None` if the kernel knows none.
    pub slot: Option<u32>,
}

/// Whether a link's kernel settings (sysctls) have the values that the agent needs: `Some(false)` for another value.
/// `None` if the kernel does not have the setting, or the link is not Ethernet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sysctls {
    /// Whether `net.ipv6.conf.NAME.accept_ra` is 0; `None` if the kernel has no such setting.
    pub refuses_router_advertisements: Option<bool>,
    /// Whether `net.ipv4.conf.NAME.promote_secondaries` is 1; `None` if the kernel has no such setting.
    pub promotes_secondaries: Option<bool>,
}

/// An IP address of a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The index of the link that has the address.
    pub link: u32,
    /// The address (`IFA_LOCAL`) with its prefix length.
    pub net: IpNet,
    /// Whether the agent added the address. The agent removes only such addresses; `false` if another program, or the
    /// kernel, added it.
    pub ours: bool,
}

/// A route, with the link that it uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkRoute {
    /// The index of the link that the route uses.
    pub link: u32,
    /// The route: destination, gateway, metric, on-link flag and source address.
    pub route: Route,
    /// Whether the agent added the route (its protocol is [`MARK`](crate::MARK)). The agent removes only such routes;
    /// `false` if another program added it.
    pub ours: bool,
}
