//! What can be done to the kernel, one call a step.

use super::rate::TokenBucket;
use ipnet::IpNet;
use protocol::spec::{InterfaceName, MacAddress, Mtu};
use std::path::PathBuf;

/// One call of the kernel, with nothing left to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Switch forwarding on for one family.
    Forward(Family),
    /// Remove a link of ours.
    Remove {
        /// Its name.
        name: InterfaceName,
        /// Its number: a link that took the name since then is not meant.
        index: u32,
    },
    /// Move a link of ours to the group of those that [`Step::RemovePendingDeletion`] removes.
    MarkPendingDeletion {
        /// Its name.
        name: InterfaceName,
        /// Its number.
        index: u32,
    },
    /// Remove all links that are pending deletion: the kernel waits for its readers once, not for each link.
    RemovePendingDeletion,
    /// Make a bridge, marked, without spanning tree, forward delay and multicast snooping.
    CreateBridge {
        /// Its name.
        name: InterfaceName,
        /// Its own address.
        mac: MacAddress,
    },
    /// Set a bridge's spanning tree, forward delay and multicast snooping.
    MakePlain {
        /// Its name.
        name: InterfaceName,
    },
    /// Make a persistent tap, marked and without an IPv6 address.
    CreateTap {
        /// Its name.
        name: InterfaceName,
    },
    /// Close a tap that nothing is attached to against ordinary users.
    CloseTap {
        /// Its name.
        name: InterfaceName,
    },
    /// Make a pair, this end marked.
    CreateVeth {
        /// This end's name.
        name: InterfaceName,
        /// The other end's namespace.
        netns: PathBuf,
        /// The other end's name.
        peer: InterfaceName,
        /// The other end's address.
        mac: MacAddress,
    },
    /// Let a link make itself no IPv6 link-local address.
    Silence {
        /// Its name.
        name: InterfaceName,
    },
    /// Write one of a link's IPv6 settings.
    SetIpv6 {
        /// The link's name.
        name: InterfaceName,
        /// Which one.
        setting: Ipv6Setting,
    },
    /// Let answers to the VCH's own loopback addresses come in by a bridge (`route_localnet` = 1):
    /// connections to a published port by loopback. What else this would let in, nftables drops.
    RouteLocalnet {
        /// The bridge's name.
        name: InterfaceName,
    },
    /// Change properties of a link.
    Set {
        /// Its name.
        name: InterfaceName,
        /// To what; at least one is given.
        change: Change,
    },
    /// Take an address from a bridge.
    RemoveAddress {
        /// The bridge's name.
        name: InterfaceName,
        /// The address, with its prefix length.
        address: IpNet,
    },
    /// Give a bridge an address that is usable at once.
    AddAddress {
        /// The bridge's name.
        name: InterfaceName,
        /// The address, with its prefix length.
        address: IpNet,
    },
    /// Make an intermediate functional block, marked: what is sent to it comes in again by the link that it came from.
    CreateIfb {
        /// Its name.
        name: InterfaceName,
    },
    /// Limit what leaves by a link, or limit it otherwise.
    SetBucket {
        /// The link's name.
        name: InterfaceName,
        /// How.
        bucket: TokenBucket,
    },
    /// Take the VCH's limit from what leaves by a link.
    RemoveBucket {
        /// The link's name.
        name: InterfaceName,
    },
    /// Make room for filters of what comes in by a link.
    AddIngress {
        /// The link's name.
        name: InterfaceName,
    },
    /// Take all filters from what comes in by a link.
    RemoveIngress {
        /// The link's name.
        name: InterfaceName,
    },
    /// Lead all that comes in by a link to an intermediate functional block.
    Redirect {
        /// The link's name.
        name: InterfaceName,
        /// The name of the block.
        ifb: InterfaceName,
    },
}

impl Step {
    /// The link that it is about; none for the namespace as a whole.
    pub fn link(&self) -> Option<&InterfaceName> {
        match self {
            Self::Forward(_) | Self::RemovePendingDeletion => None,
            Self::Remove { name, .. }
            | Self::MarkPendingDeletion { name, .. }
            | Self::CreateBridge { name, .. }
            | Self::MakePlain { name }
            | Self::CreateTap { name }
            | Self::CloseTap { name }
            | Self::CreateVeth { name, .. }
            | Self::Silence { name }
            | Self::SetIpv6 { name, .. }
            | Self::RouteLocalnet { name }
            | Self::Set { name, .. }
            | Self::RemoveAddress { name, .. }
            | Self::AddAddress { name, .. }
            | Self::CreateIfb { name }
            | Self::SetBucket { name, .. }
            | Self::RemoveBucket { name }
            | Self::AddIngress { name }
            | Self::RemoveIngress { name }
            | Self::Redirect { name, .. } => Some(name),
        }
    }

    /// Whether it makes a link.
    pub fn creates(&self) -> bool {
        matches!(
            self,
            Self::CreateBridge { .. }
                | Self::CreateTap { .. }
                | Self::CreateVeth { .. }
                | Self::CreateIfb { .. }
        )
    }
}

/// What [`Step::Set`] changes; what is none stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The link-layer address.
    pub mac: Option<MacAddress>,
    /// The MTU.
    pub mtu: Option<Mtu>,
    /// The bridge that it is to be a port of.
    pub bridge: Option<InterfaceName>,
    /// Whether to switch it on.
    pub up: bool,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An IPv6 setting of a bridge and the value that it gets (Linux, `networking/ip-sysctl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6Setting {
    /// `disable_ipv6` = 0: a bridge with IPv6 addresses needs it.
    Enable,
    /// `accept_dad` = 0: addresses are usable at once; they are the ledger's, nobody else has them.
    NoDad,
    /// `accept_ra` = 0: the VCH is the router here.
    NoRouterAdvertisements,
    /// `autoconf` = 0: no addresses but the ledger's.
    NoAutoconf,
}
