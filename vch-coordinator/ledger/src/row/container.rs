//! The row of a container.

use crate::{
    ContainerId, ContainerName, ContainerPort, NetworkId, NetworkName, PortNumber, SocketPath,
};
use protocol::spec::{DomainName, Generation, HostEntry, Hostname, Incarnation, SpecId};
use protocol::transport::PrivilegedPort;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, net::IpAddr};

/// A container, which runs as a VM: the decisions of the ledger about it. Its image, process and limits are in its
/// [workload document](crate::DocumentKind::Workload).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The container's ID.
    pub id: ContainerId,
    /// The container's name, unique on the VCH.
    pub name: ContainerName,
    /// The container's host name, without its domain.
    pub hostname: Hostname,
    /// The DNS domain of the host name; `None` for a host name without domain.
    pub domain: Option<DomainName>,
    /// The channel by which the coordinator talks to the agent in the container's VM. No two containers share one.
    pub channel: Channel,
    /// The container's own DNS resolver settings.
    pub dns: Dns,
    /// The lines that the caller added to the container's `/etc/hosts`, beside the lines of its own host name.
    pub extra_hosts: Vec<HostEntry>,
    /// The ports that the container exposes and publishes, in ascending order.
    pub ports: Vec<ContainerPort>,
    /// Whether the exposed ports are published too, at ports of the VCH that the ledger chooses (`docker run -P`).
    pub publish_all: bool,
    /// The port of the VCH that the ledger chose last for each request without a host port. It is chosen again at the
    /// next start if it is free. The key is the container's port and the requested address (see
    /// [`HostPort::address`](crate::HostPort::address)).
    pub chosen: BTreeMap<(PortNumber, Option<IpAddr>), u16>,
    /// Kernel settings of the network in the container's VM, by their names in sysctl(8). They override the settings
    /// that the agent makes by itself.
    pub sysctls: BTreeMap<String, String>,
    /// The removed networks to which the container was connected while it was stopped, by name. The container can't
    /// start before it is disconnected from each of them, or connected to another network of the same name.
    pub missing: BTreeMap<NetworkName, NetworkId>,
    /// Whether the container's health check fails at present. False for a container without health check, and at each
    /// start.
    pub unhealthy: bool,
    /// The random identity of the container's present run; `None` while it is stopped.
    pub incarnation: Option<Incarnation>,
    /// The version number of the container's newest network specification for its agent. It only grows.
    pub generation: Generation,
    /// The time at which the container was added, in milliseconds since 1970 (UTC).
    pub created_ms: u64,
}

impl Container {
    /// Returns whether the container runs, as the ledger knows it: from `StartContainer` to `StopContainer`. Its names
    /// and ports are active meanwhile.
    pub fn runs(&self) -> bool {
        self.incarnation.is_some()
    }

    /// Returns the identity of the container's newest network specification: incarnation (run) and generation
    /// (version). `None` while the container is stopped.
    pub fn spec_id(&self) -> Option<SpecId> {
        self.incarnation.map(|incarnation| SpecId {
            incarnation,
            generation: self.generation,
        })
    }
}

/// A container's own DNS resolver settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// The DNS servers to which the VCH forwards this container's queries for outside names; empty for the servers of
    /// the VCH's configuration. If the container is on external networks only, its own resolver asks these servers, or,
    /// if this is empty, those of the networks.
    pub servers: Vec<IpAddr>,
    /// The domains that the container's resolver appends to short names. Empty for the VCH's search domain; the single
    /// domain `.` for none.
    pub search: Vec<DomainName>,
    /// The options for the container's resolv.conf(5). `ndots:0` is added if none of them is an `ndots`.
    pub options: Vec<String>,
}

/// The byte stream between the coordinator and the agent in one container's VM. The coordinator knows a container by
/// its channel, and never by what is sent through it.
///
/// This is the channel as it was requested and stored. When the coordinator opens it, it makes a
/// [`CoordinatorChannel`](protocol::transport::CoordinatorChannel) of it, with a path where the request left it out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Channel {
    /// A vsock device that the hypervisor serves by a Unix socket, as Firecracker, Cloud Hypervisor and
    /// vhost-device-vsock do. The coordinator connects to the agent's port.
    HybridVsock {
        /// The path of the device's Unix socket on the VCH.
        path: SocketPath,
        /// The vsock port on which the agent listens.
        port: PrivilegedPort,
    },
    /// A serial line or virtserialport of the VM, which the hypervisor serves by a Unix socket. The coordinator
    /// connects to that socket.
    Chardev {
        /// The path of the Unix socket on the VCH.
        path: SocketPath,
    },
    /// A Unix socket on which the coordinator listens, and to which the agent connects.
    Unix {
        /// The path of the socket on the VCH; `None` lets the coordinator choose it.
        path: Option<SocketPath>,
    },
    /// Native vsock (vhost-vsock). The agent connects to the coordinator, which recognises the container by its context
    /// ID (CID).
    Vsock {
        /// The VM's vsock context ID: 3 to 4294967294, since the others are reserved (vsock(7)).
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
