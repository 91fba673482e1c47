//! What the segments of this VCH are to be.

use ipnet::IpNet;
use protocol::spec::{InterfaceName, MacAddress, Mtu};
use std::{collections::BTreeMap, fmt, path::PathBuf};
use vch_ledger::desired::Limit;

// The kernel reads a group as a positive `int`: bit 30 is the highest.
const MARKED: u32 = 1 << 30;
const PENDING_DELETION: u32 = 1 << 29;

/// Whose links these are: each link that a VCH makes bears its mark, and a VCH changes and removes
/// marked links only.
///
/// The mark is the link's group (`IFLA_GROUP`, `ip link show group N`): it is there from the moment
/// in which the kernel makes the link, so a crash leaves nothing that nobody owns. Groups that
/// people give out by hand are small; a mark has bit 30 set. Links on their way out are moved to a
/// group of their own, with bit 29 set too, so that the kernel can remove them all at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(u32);

impl Owner {
    /// The mark of the VCH with this random id. The same id gives the same mark, for ever.
    pub fn of(vch: &[u8]) -> Self {
        let [.., a, b, c, d] = hash([vch]).to_be_bytes();
        let value = u32::from_be_bytes([a, b, c, d]);
        Self((value % PENDING_DELETION) | MARKED)
    }

    /// The group of this VCH's links.
    pub fn group(self) -> u32 {
        self.0
    }

    /// The group of those that are about to be removed.
    pub fn pending_deletion(self) -> u32 {
        self.0 | PENDING_DELETION
    }

    /// Whether a link of this group is this VCH's.
    pub fn owns(self, group: u32) -> bool {
        group == self.group() || group == self.pending_deletion()
    }

    /// The address of this VCH's bridge of that name: fixed, since a bridge without one of its own
    /// takes its lowest port's and changes it as ports come and go.
    pub fn bridge_mac(self, bridge: &InterfaceName) -> MacAddress {
        self.mac(0x02, bridge)
    }

    /// The address of the VCH's end of a port on somebody else's bridge: so high that the bridge,
    /// which may take its lowest port's as its own, never takes this one and keeps what it has.
    pub fn port_mac(self, port: &InterfaceName) -> MacAddress {
        self.mac(0xfe, port)
    }

    /// `first` is that of a locally administered unicast address.
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

/// FNV-1a, 64 bits (draft-eastlake-fnv): short, and the same in every release, which `std`'s hashers are not.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    parts.into_iter().flatten().fold(BASIS, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    })
}

/// The bridge of one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The link's name.
    pub name: InterfaceName,
    /// The gateway's addresses, each with its subnet's prefix length. Others are removed, but for
    /// IPv6 link-local ones.
    pub addresses: Vec<IpNet>,
    /// `None` leaves it to the kernel: the smallest of the ports'.
    pub mtu: Option<Mtu>,
}

/// An attachment to a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The link's name on the VCH's side.
    pub name: InterfaceName,
    /// The bridge that it is a port of.
    pub bridge: InterfaceName,
    /// The bridge is not ours but the configuration's: it is used as it is.
    pub foreign: bool,
    /// What hangs on it.
    pub kind: PortKind,
    /// `None` leaves it alone.
    pub mtu: Option<Mtu>,
    /// How much passes each way; `None` for all.
    pub limit: Option<Limit>,
}

/// What hangs on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// A VM: a persistent tap, which root opens by name for the VM, and no ordinary user can.
    Tap,
    /// Something that is not a VM: one end of a pair, the other lies in its network namespace.
    Veth {
        /// The namespace, as `/run/netns/NAME` or `/proc/PID/ns/net`.
        netns: PathBuf,
        /// The other end's name when it is made; whoever lives there may rename it.
        peer: InterfaceName,
        /// The other end's address when it is made.
        mac: MacAddress,
    },
}

/// All segments of this VCH, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The bridges.
    pub bridges: BTreeMap<InterfaceName, Bridge>,
    /// Their ports.
    pub ports: BTreeMap<InterfaceName, Port>,
}
