//! Errors of making and removing bridges and ports.

use super::plan::{Holder, Refusal};
use nix::errno::Errno;
use protocol::spec::InterfaceName;
use std::path::PathBuf;
use thiserror::Error;

/// Why a bridge or a port (a link on a bridge) could not be made or removed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SegmentError {
    /// A link that this VCH did not make has the name of the requested link.
    #[error(
        "link name {name} is held by {holder}, which this VCH did not make: remove or rename that link"
    )]
    NameTaken {
        /// The name of the requested link.
        name: InterfaceName,
        /// The link that has the name.
        holder: Holder,
    },
    /// The bridge of the requested port does not exist.
    #[error("port {port} is to be on bridge {bridge}, which does not exist: make the bridge first")]
    NoBridge {
        /// The name of the port's link.
        port: InterfaceName,
        /// The name of the missing bridge.
        bridge: InterfaceName,
    },
    /// The link that has the name of the port's bridge was not made by this VCH.
    #[error(
        "port {port} is to be on bridge {bridge}, but that name is held by {holder}: remove or rename that link"
    )]
    BridgeTaken {
        /// The name of the port's link.
        port: InterfaceName,
        /// The bridge's name.
        bridge: InterfaceName,
        /// The link that has the name of the bridge.
        holder: Holder,
    },
    /// The link that the configuration names as a bridge is not a bridge.
    #[error(
        "port {port} is to be on {bridge}, which is {holder} and carries no containers: make a bridge, put that link on it, and name the bridge as `external.interface`"
    )]
    NotABridge {
        /// The name of the port's link.
        port: InterfaceName,
        /// The name of the link that is not a bridge.
        bridge: InterfaceName,
        /// The kind and index of the link that is not a bridge.
        holder: Holder,
    },
    /// The kernel has no room for another port on the bridge (`BR_MAX_PORTS`: 1,024).
    #[error(
        "bridge {bridge} has no room for port {port}: a Linux bridge takes 1023 ports; put it on another network"
    )]
    BridgeFull {
        /// The name of the bridge.
        bridge: InterfaceName,
        /// The name of the link that found no room.
        port: InterfaceName,
    },
    /// The network namespace of the requested port can't be opened or entered.
    #[error(
        "network namespace {} of port {port} can't be entered: start what lives in it, or mend the path",
        path.display()
    )]
    NoNamespace {
        /// The name of the port's link.
        port: InterfaceName,
        /// The path of the network namespace.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: Errno,
    },
    /// Another link in the port's network namespace has the name that the other end of the veth pair needs.
    #[error(
        "network namespace {} already has a link named {peer}, which the other end of port {port} is to be: remove or rename that link",
        path.display()
    )]
    PeerTaken {
        /// The name of the port's link.
        port: InterfaceName,
        /// The path of the network namespace.
        path: PathBuf,
        /// The name that is in use there.
        peer: InterfaceName,
    },
    /// The port has a limit, and the kernel lacks a module that limits traffic.
    #[error(
        "the rate of link {link} can't be limited: the kernel has no {module}: load it by modprobe(8), or give the endpoint no rate"
    )]
    NoLimits {
        /// The name of the port's link whose traffic cannot be limited.
        link: InterfaceName,
        /// The name of the missing kernel module.
        module: &'static str,
    },
    /// The kernel refused an operation for another reason.
    #[error("could not {operation} {object}")]
    Kernel {
        /// The operation that was refused, as a verb.
        operation: &'static str,
        /// The link, address or setting that the operation was about.
        object: String,
        /// The kernel's error.
        #[source]
        source: Errno,
    },
    /// The thread that owns the links has ended.
    #[error("the owner of the segments has ended: the coordinator is shutting down")]
    Stopped,
}

impl SegmentError {
    /// Returns the error's code for API clients, which stays the same in every release.
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

    /// Returns the error for a refusal to plan the link of this name.
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
