//! A container's row.

use crate::{
    ContainerId, ContainerName, ContainerPort, NetworkId, NetworkName, PortNumber, SocketPath,
};
use protocol::spec::{DomainName, Generation, HostEntry, Hostname, Incarnation, SpecId};
use protocol::transport::PrivilegedPort;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, net::IpAddr};

/// A container, which is a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its identity.
    pub id: ContainerId,
    /// Its name, unique on the VCH.
    pub name: ContainerName,
    /// The host name that it bears.
    pub hostname: Hostname,
    /// The domain that its host name is in.
    pub domain: Option<DomainName>,
    /// How its agent is reached; no two containers share one.
    pub channel: Channel,
    /// Its own resolver settings.
    pub dns: Dns,
    /// Lines for its hosts file beside its own names.
    pub extra_hosts: Vec<HostEntry>,
    /// The ports that it exposes and publishes, in ascending order.
    pub ports: Vec<ContainerPort>,
    /// Publish what is exposed, too, at ports that the VCH chooses.
    pub publish_all: bool,
    /// The port of the VCH that was chosen last for each request that names none, by the container's
    /// port and [`HostPort::address`](crate::HostPort::address): chosen again while it is free.
    pub chosen: BTreeMap<(PortNumber, Option<IpAddr>), u16>,
    /// Kernel settings of its network that it asks for, as sysctl(8) writes them: they win over the
    /// agent's own.
    pub sysctls: BTreeMap<String, String>,
    /// Networks that were removed while it was stopped, and that it was on: it does not start
    /// before it is disconnected from them, by their names, or connected to others of those names.
    pub missing: BTreeMap<NetworkName, NetworkId>,
    /// Its health check fails at present.
    pub unhealthy: bool,
    /// Its VM's present life; `None` while it does not run.
    pub incarnation: Option<Incarnation>,
    /// The number of its present spec.
    pub generation: Generation,
    /// When it was added, milliseconds since 1970.
    pub created_ms: u64,
}

impl Container {
    /// Whether it runs: its names and ports are in force as long as it does.
    pub fn runs(&self) -> bool {
        self.incarnation.is_some()
    }

    /// Which spec is its present one; `None` while it does not run.
    pub fn spec_id(&self) -> Option<SpecId> {
        self.incarnation.map(|incarnation| SpecId {
            incarnation,
            generation: self.generation,
        })
    }
}

/// What a container wants of its resolver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Where the VCH forwards this container's outside questions; empty for the VCH's own choice.
    pub servers: Vec<IpAddr>,
    /// Domains tried behind a short name; empty for the VCH's own, the root for none.
    pub search: Vec<DomainName>,
    /// Options of resolv.conf(5); `ndots:0` is added where they do not say `ndots`.
    pub options: Vec<String>,
}

/// How a container's agent is reached. It names the container: a message never does.
///
/// This is what is requested and stored; the coordinator makes a
/// [`CoordinatorChannel`](protocol::transport::CoordinatorChannel) of it, in which every path is
/// chosen, when it opens it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Channel {
    /// A vsock device behind a Unix socket, as Firecracker, Cloud Hypervisor and vhost-device-vsock
    /// serve it: the coordinator dials the guest's port.
    HybridVsock {
        /// The VM's socket.
        path: SocketPath,
        /// The port on which the agent listens.
        port: PrivilegedPort,
    },
    /// A serial line of the VM, as a Unix socket that the hypervisor listens on.
    Chardev {
        /// The line's socket.
        path: SocketPath,
    },
    /// A Unix socket of the coordinator's that the agent dials.
    Unix {
        /// The socket; `None` lets the coordinator choose.
        path: Option<SocketPath>,
    },
    /// Native vsock: the agent dials, and its context id says who it is.
    Vsock {
        /// The VM's context id: 3 and up (vsock(7): 0 to 2 are reserved).
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
