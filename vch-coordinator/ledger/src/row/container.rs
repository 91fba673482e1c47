//! The row of a container.

use crate::{
    ContainerId, ContainerName, ContainerPort, NetworkId, NetworkName, PortNumber, SocketPath,
};
use protocol::spec::{DomainName, Generation, HostEntry, Hostname, Incarnation, SpecId};
use protocol::transport::PrivilegedPort;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, net::IpAddr};

/// A container; it runs as a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The container's ID.
    pub id: ContainerId,
    /// The container's name, unique on the VCH.
    pub name: ContainerName,
    /// The container's host name, without its domain.
    pub hostname: Hostname,
    /// The domain of the host name.
    pub domain: Option<DomainName>,
    /// The channel to the container's agent; no two containers share one.
    pub channel: Channel,
    /// The container's own resolver settings.
    pub dns: Dns,
    /// Lines for the container's hosts file beside its own names.
    pub extra_hosts: Vec<HostEntry>,
    /// The ports that the container exposes and publishes, in ascending order.
    pub ports: Vec<ContainerPort>,
    /// Whether the exposed ports are published too, at ports that the VCH chooses.
    pub publish_all: bool,
    /// The port of the VCH that was chosen last for each request that names none; it is chosen again if it is free.
    /// The key is the container's port and [`HostPort::address`](crate::HostPort::address).
    pub chosen: BTreeMap<(PortNumber, Option<IpAddr>), u16>,
    /// The kernel settings of the container's network, by sysctl(8) names; they win over the
    /// agent's own.
    pub sysctls: BTreeMap<String, String>,
    /// The removed networks that the container was on while it was stopped, by name. The container
    /// does not start before it is disconnected from each, or connected to another network of that
    /// name.
    pub missing: BTreeMap<NetworkName, NetworkId>,
    /// Whether the container's health check fails at present.
    pub unhealthy: bool,
    /// The incarnation of the running VM; `None` while the container does not run.
    pub incarnation: Option<Incarnation>,
    /// The generation of the container's newest spec.
    pub generation: Generation,
    /// The time at which the container was added, in milliseconds since 1970.
    pub created_ms: u64,
}

impl Container {
    /// Returns whether the container runs; its names and ports are in force while it does.
    pub fn runs(&self) -> bool {
        self.incarnation.is_some()
    }

    /// Returns the ID of the container's newest spec; `None` while the container does not run.
    pub fn spec_id(&self) -> Option<SpecId> {
        self.incarnation.map(|incarnation| SpecId {
            incarnation,
            generation: self.generation,
        })
    }
}

/// The resolver settings of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// The servers to which the VCH forwards this container's queries for outside names; empty for
    /// the VCH's own.
    pub servers: Vec<IpAddr>,
    /// The domains that the resolver appends to short names; empty for the VCH's own, the root for
    /// no domain.
    pub search: Vec<DomainName>,
    /// The options of resolv.conf(5); `ndots:0` is added if they do not have `ndots`.
    pub options: Vec<String>,
}

/// The channel between the VCH and a container's agent. The channel identifies the container;
/// messages never do.
///
/// This is the requested and stored form; the coordinator makes a
/// [`CoordinatorChannel`](protocol::transport::CoordinatorChannel) of it, in which every path is
/// chosen, when it opens it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Channel {
    /// A vsock device behind a Unix socket, as Firecracker, Cloud Hypervisor and vhost-device-vsock
    /// serve it; the coordinator dials the guest's port.
    HybridVsock {
        /// The path of the device's Unix socket.
        path: SocketPath,
        /// The port on which the agent listens.
        port: PrivilegedPort,
    },
    /// A serial line of the VM, as a Unix socket that the hypervisor listens on; the coordinator
    /// dials it.
    Chardev {
        /// The path of the line's Unix socket.
        path: SocketPath,
    },
    /// A Unix socket that the coordinator listens on, and that the agent dials.
    Unix {
        /// The path of the socket; `None` lets the coordinator choose.
        path: Option<SocketPath>,
    },
    /// Native vsock: the agent dials, and its context ID (CID) identifies the container.
    Vsock {
        /// The VM's context ID: 3 and up (vsock(7): 0 to 2 are reserved).
        cid: u32,
    },
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HybridVsock { path, port } => write!(f, "hybrid-vsock:{path}:{port}"),
            Self::Chardev { path } => write!(f, "chardev:{path}"),
            Self::Unix { path: Some(path) } => write!(f, "unix:{path}"),
            Self::Unix { path: None } => f.write_str("unix"),
            Self::Vsock { cid } => write!(f, "vsock:{cid}"),
        }
    }
}
