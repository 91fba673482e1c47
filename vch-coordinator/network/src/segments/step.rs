//! The steps that can be made in the kernel, one call each.

use super::rate::TokenBucket;
use ipnet::IpNet;
use protocol::spec::{InterfaceName, MacAddress, Mtu};
use std::path::PathBuf;

/// One call of the kernel, with nothing left to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Switches forwarding on for one family.
    Forward(Family),
    /// Removes a link of the VCH.
    Remove {
        /// The link's name.
        name: InterfaceName,
        /// The link's index: another link that has taken the name since then is not removed.
        index: u32,
    },
    /// Moves a link of the VCH to the group of links that [`Step::RemovePendingDeletion`] removes.
    MarkPendingDeletion {
        /// The link's name.
        name: InterfaceName,
        /// The link's index.
        index: u32,
    },
    /// Removes all links that are pending deletion; the kernel then waits for its readers once, not for each link.
    RemovePendingDeletion,
    /// Makes a bridge, marked, without spanning tree, forward delay and multicast snooping.
    CreateBridge {
        /// The bridge's name.
        name: InterfaceName,
        /// The bridge's MAC address.
        mac: MacAddress,
    },
    /// Switches a bridge's spanning tree, forward delay and multicast snooping off.
    MakePlain {
        /// The bridge's name.
        name: InterfaceName,
    },
    /// Makes a persistent tap, marked and without an IPv6 address.
    CreateTap {
        /// The tap's name.
        name: InterfaceName,
    },
    /// Closes an unattached tap against ordinary users.
    CloseTap {
        /// The tap's name.
        name: InterfaceName,
    },
    /// Makes a veth pair; this end is marked.
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
    /// Keeps a link from making itself an IPv6 link-local address.
    Silence {
        /// The link's name.
        name: InterfaceName,
    },
    /// Writes one of a link's IPv6 settings.
    SetIpv6 {
        /// The link's name.
        name: InterfaceName,
        /// The setting and its value.
        setting: Ipv6Setting,
    },
    /// Lets packets with loopback addresses come in by a bridge (`route_localnet` = 1), which
    /// answers to connections to a published port by loopback need. nftables drops everything else
    /// that this would let in.
    RouteLocalnet {
        /// The bridge's name.
        name: InterfaceName,
    },
    /// Changes properties of a link.
    Set {
        /// Its name.
        name: InterfaceName,
        /// The properties to change, at least one.
        change: Change,
    },
    /// Removes an address from a bridge.
    RemoveAddress {
        /// The bridge's name.
        name: InterfaceName,
        /// The address, with its prefix length.
        address: IpNet,
    },
    /// Adds an address to a bridge; the address is usable at once.
    AddAddress {
        /// The bridge's name.
        name: InterfaceName,
        /// The address, with its prefix length.
        address: IpNet,
    },
    /// Makes an intermediate functional block, marked: what is sent to it comes in again by the link that it came from.
    CreateIfb {
        /// Its name.
        name: InterfaceName,
    },
    /// Limits what leaves by a link, or changes the limit.
    SetBucket {
        /// The link's name.
        name: InterfaceName,
        /// How.
        bucket: TokenBucket,
    },
    /// Takes the VCH's limit from what leaves by a link.
    RemoveBucket {
        /// The link's name.
        name: InterfaceName,
    },
    /// Makes room for filters of what comes in by a link.
    AddIngress {
        /// The link's name.
        name: InterfaceName,
    },
    /// Takes all filters from what comes in by a link.
    RemoveIngress {
        /// The link's name.
        name: InterfaceName,
    },
    /// Leads all that comes in by a link to an intermediate functional block.
    Redirect {
        /// The link's name.
        name: InterfaceName,
        /// The name of the block.
        ifb: InterfaceName,
    },
}

impl Step {
    /// Returns the link that the step is about; `None` for a step about the whole namespace.
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

    /// Returns whether the step makes a link.
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

/// The properties that [`Step::Set`] changes; those that are `None` stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The link-layer address.
    pub mac: Option<MacAddress>,
    /// The MTU.
    pub mtu: Option<Mtu>,
    /// The bridge that the link is to be a port of.
    pub bridge: Option<InterfaceName>,
    /// Whether to set the link up.
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
    /// `accept_dad` = 0: addresses are usable at once. The ledger gives each address out once, so
    /// no other host has it.
    NoDad,
    /// `accept_ra` = 0: the VCH is the router on the segment.
    NoRouterAdvertisements,
    /// `autoconf` = 0: the bridge has the ledger's addresses only.
    NoAutoconf,
}
