//! The desired state of the VCH's segments.

use ipnet::IpNet;
use protocol::spec::{InterfaceName, MacAddress, Mtu};
use std::{collections::BTreeMap, fmt, path::PathBuf};

// The kernel reads a group as a positive `int`: bit 30 is the highest.
const MARKED: u32 = 1 << 30;
const PENDING_DELETION: u32 = 1 << 29;

/// The mark that each link of one VCH bears; a VCH changes and removes only links with its own
/// mark.
///
/// The mark is the link's group (`IFLA_GROUP`, `ip link show group N`). The kernel sets it when it
/// makes the link, so a crash leaves no link unmarked. Groups that administrators give out by hand
/// are small; a mark has bit 30 set. Links that are pending deletion are moved to a group of their
/// own, with bit 29 set too, so that the kernel can remove them all at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(u32);

impl Owner {
    /// Returns the mark of the VCH with this random identity. The same identity gives the same mark
    /// in every release.
    pub fn of(vch: &[u8]) -> Self {
        let [.., a, b, c, d] = hash([vch]).to_be_bytes();
        let value = u32::from_be_bytes([a, b, c, d]);
        Self((value % PENDING_DELETION) | MARKED)
    }

    /// Returns the group of this VCH's links.
    pub fn group(self) -> u32 {
        self.0
    }

    /// Returns the group of this VCH's links that are pending deletion.
    pub fn pending_deletion(self) -> u32 {
        self.0 | PENDING_DELETION
    }

    /// Returns whether a link of this group is this VCH's.
    pub fn owns(self, group: u32) -> bool {
        group == self.group() || group == self.pending_deletion()
    }

    /// Returns the MAC address of this VCH's bridge of that name. It is fixed: a bridge without a
    /// MAC address of its own takes its lowest port's, and changes it as ports come and go.
    pub fn bridge_mac(self, bridge: &InterfaceName) -> MacAddress {
        self.mac(0x02, bridge)
    }

    /// Returns the MAC address of the VCH's end of a port on a bridge of the configuration. It is
    /// so high that the bridge, which may take its lowest port's address as its own, never takes
    /// this one.
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

/// A bridge that is to exist for one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The link's name.
    pub name: InterfaceName,
    /// The gateway's addresses, each with its subnet's prefix length. Other addresses of the bridge
    /// are removed, except IPv6 link-local ones.
    pub addresses: Vec<IpNet>,
    /// The MTU; `None` leaves it to the kernel, which takes the smallest of the ports'.
    pub mtu: Option<Mtu>,
}

/// A link that is to be attached to a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The link's name on the VCH's side.
    pub name: InterfaceName,
    /// The bridge that the port is attached to.
    pub bridge: InterfaceName,
    /// Whether the bridge is one that the configuration names, which is used as it is and never
    /// changed.
    pub foreign: bool,
    /// The kind of link.
    pub kind: PortKind,
    /// The MTU; `None` leaves the kernel's.
    pub mtu: Option<Mtu>,
}

/// The kind of a port's link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// A persistent tap for a VM. Root opens it by name for the VM; an ordinary user can't open it.
    Tap,
    /// A veth pair for a network namespace: one end is the port, the other end lies in the
    /// namespace.
    Veth {
        /// The path of the namespace, as `/run/netns/NAME` or `/proc/PID/ns/net`.
        netns: PathBuf,
        /// The name that the other end is made with; the namespace may rename it later.
        peer: InterfaceName,
        /// The MAC address that the other end is made with.
        mac: MacAddress,
    },
}

/// All segments of this VCH, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The bridges.
    pub bridges: BTreeMap<InterfaceName, Bridge>,
    /// The ports of the bridges.
    pub ports: BTreeMap<InterfaceName, Port>,
}
