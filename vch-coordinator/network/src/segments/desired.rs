//! The bridges and ports that the VCH must have, and the mark of its links.

use ipnet::IpNet;
use protocol::spec::{InterfaceName, MacAddress, Mtu};
use std::{collections::BTreeMap, fmt, path::PathBuf};
use vch_ledger::desired::Limit;

// The kernel reads a group as a positive `int`: bit 30 is the highest.
const MARKED: u32 = 1 << 30;
const PENDING_DELETION: u32 = 1 << 29;

/// The mark on each link that one VCH made. A VCH changes and removes only links with its own mark.
///
/// The mark is the link's group (`IFLA_GROUP`, `ip link show group N`). The kernel sets it when it makes the link, so
/// that a crash leaves no link unmarked. Groups that administrators choose are small numbers; a mark has bit 30 set.
/// Links that are pending deletion are in a group of their own, with bit 29 set too, so that the kernel can remove them
/// all at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(u32);

impl Owner {
    /// Returns the mark of the VCH with this random identity. It is the same in every release.
    pub fn of(vch: &[u8]) -> Self {
        let [.., a, b, c, d] = hash([vch]).to_be_bytes();
        let value = u32::from_be_bytes([a, b, c, d]);
        Self((value % PENDING_DELETION) | MARKED)
    }

    /// Returns the number of the group that marks this VCH's links.
    pub fn group(self) -> u32 {
        self.0
    }

    /// Returns the number of the group (`IFLA_GROUP`) into which this VCH moves its links before it deletes them all at
    /// once.
    pub fn pending_deletion(self) -> u32 {
        self.0 | PENDING_DELETION
    }

    /// Returns whether a link in this group belongs to this VCH: the group is the one of its mark, or the one of its
    /// links that are pending deletion.
    pub fn owns(self, group: u32) -> bool {
        group == self.group() || group == self.pending_deletion()
    }

    /// Returns the MAC address that this VCH's bridge of this name must have, the same in every release. It is fixed,
    /// since a bridge otherwise takes the lowest one of its ports, and changes it as ports come and go.
    pub fn bridge_mac(self, bridge: &InterfaceName) -> MacAddress {
        self.mac(0x02, bridge)
    }

    /// Returns the MAC address for the VCH's end of a port (link) on a bridge that the VCH did not make. It begins with
    /// `fe`, so that the bridge, which may take the lowest MAC address of its ports, does not take this one. It is the
    /// same for the same name in every release.
    pub fn port_mac(self, port: &InterfaceName) -> MacAddress {
        self.mac(0xfe, port)
    }

    /// Returns a MAC address of a link, hashed behind the byte `first`, which is that of a locally
    /// administered unicast address.
    fn mac(self, first: u8, link: &InterfaceName) -> MacAddress {
        let [.., a, b, c, d, e] =
            hash([&self.0.to_be_bytes()[..], link.as_str().as_bytes()]).to_be_bytes();
        #[expect(clippy::expect_used, reason = "02 and fe are even and not zero")]
        MacAddress::try_from([first, a, b, c, d, e]).expect("a unicast address")
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {:#x}", self.0)
    }
}

/// Returns the FNV-1a hash of 64 bits (draft-eastlake-fnv): short, and the same in every release, which `std`'s
/// hashers are not.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    parts.into_iter().flatten().fold(BASIS, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    })
}

/// A Linux bridge of the VCH, as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The name of the bridge.
    pub name: InterfaceName,
    /// The gateways' addresses, each with its subnet's prefix length. Other addresses of the bridge are removed, except
    /// IPv6 link-local ones.
    pub addresses: Vec<IpNet>,
    /// The MTU, in bytes; `None` leaves it to the kernel, which takes the lowest one of the ports.
    pub mtu: Option<Mtu>,
}

/// A port as it must be: an endpoint's link on the VCH, attached to a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The name of the link on the VCH.
    pub name: InterfaceName,
    /// The name of the bridge that the link is attached to.
    pub bridge: InterfaceName,
    /// Whether the bridge is not the VCH's own: it belongs to an external network, the configuration names it, and it
    /// is never changed. False for a bridge that the VCH made.
    pub foreign: bool,
    /// The kind of link: a tap, or a veth pair.
    pub kind: PortKind,
    /// The MTU, in bytes; `None` for the kernel's default.
    pub mtu: Option<Mtu>,
    /// The limit of the traffic to the VM or namespace behind the port, and likewise of the traffic from there; `None`
    /// for no limit.
    pub limit: Option<Limit>,
}

/// The kind of a port's link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// A persistent tap for a VM's NIC. Only root can open it.
    Tap,
    /// A veth pair: one end is on the bridge, the other end in a network namespace.
    Veth {
        /// The path of the network namespace, as in `/run/netns/NAME` or `/proc/PID/ns/net`.
        netns: PathBuf,
        /// The name with which the other end is created. It may be renamed in the namespace later.
        peer: InterfaceName,
        /// The MAC address with which the other end is created.
        mac: MacAddress,
    },
}

/// All bridges and ports that this VCH must have, for [`Segments::reconcile`](super::Segments::reconcile).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The bridges, by name.
    pub bridges: BTreeMap<InterfaceName, Bridge>,
    /// The ports on the bridges, by the name of their link.
    pub ports: BTreeMap<InterfaceName, Port>,
}
