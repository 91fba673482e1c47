//! The steps by which links are made, changed and removed: one kernel call each.

use super::rate::TokenBucket;
use ipnet::IpNet;
use protocol::spec::{InterfaceName, MacAddress, Mtu};
use std::path::PathBuf;

/// One call of the kernel that makes, changes or removes a link. Nothing is left to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Enables IP forwarding for one family.
    Forward(Family),
    /// Removes a link of the VCH.
    Remove {
        /// The link's name.
        name: InterfaceName,
        /// The index of the link. Another link that has got the name since then is not removed.
        index: u32,
    },
    /// Moves a link of the VCH to the group of links that [`Step::RemovePendingDeletion`] removes.
    MarkPendingDeletion {
        /// The link's name.
        name: InterfaceName,
        /// The link's index.
        index: u32,
    },
    /// Removes all links that are pending deletion in one call. The kernel then waits for its readers once, and not for
    /// each link.
    RemovePendingDeletion,
    /// Creates a bridge with the VCH's mark, without spanning tree, forwarding delay and multicast snooping.
    CreateBridge {
        /// The bridge's name.
        name: InterfaceName,
        /// The bridge's MAC address.
        mac: MacAddress,
    },
    /// Switches spanning tree, forwarding delay and multicast snooping of a bridge off.
    MakePlain {
        /// The bridge's name.
        name: InterfaceName,
    },
    /// Creates a persistent tap with the VCH's mark, without an IPv6 link-local address.
    CreateTap {
        /// The tap's name.
        name: InterfaceName,
    },
    /// Lets only root open a tap to which no process is attached.
    CloseTap {
        /// The tap's name.
        name: InterfaceName,
    },
    /// Creates a veth pair. The end on the VCH gets the VCH's mark.
    CreateVeth {
        /// The name of the end on the VCH.
        name: InterfaceName,
        /// The path of the network namespace for the other end.
        netns: PathBuf,
        /// The name of the other end.
        peer: InterfaceName,
        /// The MAC address of the other end.
        mac: MacAddress,
    },
    /// Keeps a link from giving itself an IPv6 link-local address.
    Silence {
        /// The link's name.
        name: InterfaceName,
    },
    /// Writes one IPv6 setting of a link.
    SetIpv6 {
        /// The link's name.
        name: InterfaceName,
        /// The setting and its value.
        setting: Ipv6Setting,
    },
    /// Lets packets with loopback addresses come in by a bridge (`route_localnet` = 1): the answers to connections by
    /// loopback to a published port need it. nftables drops everything else that this would let in.
    RouteLocalnet {
        /// The bridge's name.
        name: InterfaceName,
    },
    /// Changes properties of a link.
    Set {
        /// The link's name.
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
    /// Adds an address to a bridge. The address can be used at once, without duplicate address detection.
    AddAddress {
        /// The bridge's name.
        name: InterfaceName,
        /// The address, with its prefix length.
        address: IpNet,
    },
    /// Creates an intermediate functional block (ifb) with the VCH's mark, for a traffic limit. A packet that is
    /// redirected to this link passes it, and then comes in again by the link from which it was redirected.
    CreateIfb {
        /// The name of the block.
        name: InterfaceName,
    },
    /// Limits what leaves by a link, or changes the limit.
    SetBucket {
        /// The link's name.
        name: InterfaceName,
        /// The parameters of the limit.
        bucket: TokenBucket,
    },
    /// Removes the VCH's limit on what leaves by a link.
    RemoveBucket {
        /// The link's name.
        name: InterfaceName,
    },
    /// Adds the ingress queueing discipline to a link, to which filters of what comes in are attached.
    AddIngress {
        /// The link's name.
        name: InterfaceName,
    },
    /// Removes the ingress queueing discipline from a link, with all filters of what comes in.
    RemoveIngress {
        /// The link's name.
        name: InterfaceName,
    },
    /// Redirects everything that comes in by a link to an intermediate functional block (ifb).
    Redirect {
        /// The link's name.
        name: InterfaceName,
        /// The name of the intermediate functional block.
        ifb: InterfaceName,
    },
}

impl Step {
    /// Returns the name of the link that the step is about; `None` for a step that concerns no single link.
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

    /// Returns whether the step creates a link.
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

/// The properties of a link that a [`Step::Set`] changes. A property that is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The new MAC address.
    pub mac: Option<MacAddress>,
    /// The new MTU, in bytes.
    pub mtu: Option<Mtu>,
    /// The name of the bridge that the link becomes a port of.
    pub bridge: Option<InterfaceName>,
    /// Whether to set the link up; `false` leaves it as it is.
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

/// An IPv6 setting of a bridge, and the value that it gets (Linux, `networking/ip-sysctl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6Setting {
    /// `disable_ipv6` = 0: enables IPv6, which a bridge with IPv6 addresses needs.
    Enable,
    /// `accept_dad` = 0: addresses can be used at once, without duplicate address detection. The ledger gives each
    /// address out once, so no other host has it.
    NoDad,
    /// `accept_ra` = 0: the VCH is the router on the segment.
    NoRouterAdvertisements,
    /// `autoconf` = 0: the bridge has only the addresses that the ledger gave it.
    NoAutoconf,
}
