//! What can go wrong with a segment.

use super::plan::{Holder, Refusal};
use nix::errno::Errno;
use protocol::spec::InterfaceName;
use std::path::PathBuf;
use thiserror::Error;

/// Why a segment or a port is not as it was asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SegmentError {
    /// The name is held by a link that this VCH did not make.
    #[error(
        "link name {name} is held by {holder}, which this VCH did not make: remove or rename that link"
    )]
    NameTaken {
        /// The name.
        name: InterfaceName,
        /// Who holds it.
        holder: Holder,
    },
    /// The port's bridge is not there.
    #[error("port {port} is to be on bridge {bridge}, which does not exist: make the bridge first")]
    NoBridge {
        /// The port.
        port: InterfaceName,
        /// Its bridge.
        bridge: InterfaceName,
    },
    /// The port's bridge is a link that this VCH did not make, or no bridge.
    #[error(
        "port {port} is to be on bridge {bridge}, but that name is held by {holder}: remove or rename that link"
    )]
    BridgeTaken {
        /// The port.
        port: InterfaceName,
        /// The name of its bridge.
        bridge: InterfaceName,
        /// Who holds that name.
        holder: Holder,
    },
    /// What the configuration names is no bridge.
    #[error(
        "port {port} is to be on {bridge}, which is {holder} and carries no containers: make a bridge, put that link on it, and name the bridge as `external.interface`"
    )]
    NotABridge {
        /// The port.
        port: InterfaceName,
        /// What is to carry it.
        bridge: InterfaceName,
        /// What that is.
        holder: Holder,
    },
    /// The kernel has no room for another port on the bridge (`BR_MAX_PORTS`).
    #[error(
        "bridge {bridge} has no room for port {port}: a Linux bridge takes 1023 ports; put it on another network"
    )]
    BridgeFull {
        /// The bridge.
        bridge: InterfaceName,
        /// The port that found no room.
        port: InterfaceName,
    },
    /// The port's network namespace can't be entered.
    #[error(
        "network namespace {} of port {port} can't be entered: start what lives in it, or mend the path",
        path.display()
    )]
    NoNamespace {
        /// The port.
        port: InterfaceName,
        /// The namespace.
        path: PathBuf,
        /// What the kernel says.
        #[source]
        source: Errno,
    },
    /// In the port's network namespace a link has the name that the port's other end is to have.
    #[error(
        "network namespace {} already has a link named {peer}, which the other end of port {port} is to be: remove or rename that link",
        path.display()
    )]
    PeerTaken {
        /// The port.
        port: InterfaceName,
        /// The namespace.
        path: PathBuf,
        /// The name that is taken there.
        peer: InterfaceName,
    },
    /// The kernel lacks what limits traffic.
    #[error(
        "the rate of link {link} can't be limited: the kernel has no {module}: load it by modprobe(8), or give no `vch.rate`"
    )]
    NoLimits {
        /// The link.
        link: InterfaceName,
        /// What the kernel lacks.
        module: &'static str,
    },
    /// The kernel refused something that should have been possible.
    #[error("could not {operation} {object}")]
    Kernel {
        /// What was being done.
        operation: &'static str,
        /// To what.
        object: String,
        /// What the kernel says.
        #[source]
        source: Errno,
    },
    /// Whoever owns the segments has ended.
    #[error("the owner of the segments has ended: the coordinator is shutting down")]
    Stopped,
}

impl SegmentError {
    /// A stable code for the API.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NameTaken { .. } => "link-name-taken",
            Self::NoBridge { .. } => "no-bridge",
            Self::BridgeTaken { .. } => "bridge-name-taken",
            Self::NotABridge { .. } => "not-a-bridge",
            Self::BridgeFull { .. } => "bridge-full",
            Self::NoNamespace { .. } => "no-namespace",
            Self::PeerTaken { .. } => "peer-name-taken",
            Self::NoLimits { .. } => "no-limits",
            Self::Kernel { .. } => "kernel-refused",
            Self::Stopped => "shutting-down",
        }
    }

    /// What a refusal to plan the object of this name means to whoever asked.
    pub(super) fn refused(name: InterfaceName, refusal: Refusal) -> Self {
        match refusal {
            Refusal::NameTaken(holder) => Self::NameTaken { name, holder },
            Refusal::LimitTaken(name, holder) => Self::NameTaken { name, holder },
            Refusal::NoBridge(bridge) => Self::NoBridge { port: name, bridge },
            Refusal::BridgeTaken(bridge, holder) => Self::BridgeTaken {
                port: name,
                bridge,
                holder,
            },
            Refusal::NotABridge(bridge, holder) => Self::NotABridge {
                port: name,
                bridge,
                holder,
            },
            Refusal::NoNamespace(path, source) => Self::NoNamespace {
                port: name,
                path,
                source,
            },
        }
    }
}
