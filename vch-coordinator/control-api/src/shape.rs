//! The JSON types of the native API, version 1, which the coordinator and its clients exchange.
//!
//! Requests contain text as the user wrote it. The handlers parse it into the ledger's types, so that each
//! error names the field.

mod request;
mod row;
mod words;

pub use request::{
    AddContainer, Aliases, Connect, CreateNetwork, DnsTtl, Health, Ports, Rate, Rename,
    SubnetRequest,
};
pub use row::{
    AddressCursorRow, Change, ContainerRow, DocumentRow, EndpointRow, NetworkRow, PortBindingRow,
    RestingAddressRow, Row, SubnetRow, Transaction,
};
pub use words::{
    Addressing, Attachment, Driver, EndpointState, Level, NetworkKind, Progress, Protocol,
    Readiness, RowKind, Scope, Segment,
};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A network, as listed and inspected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    /// The network's ID: 64 hexadecimal digits.
    pub id: String,
    /// The network's name.
    pub name: String,
    /// What the network's link is.
    pub driver: Driver,
    /// From where the network is reachable.
    pub scope: Scope,
    /// The segment of a bridge network; absent for other networks.
    pub segment: Option<Segment>,
    /// The configuration of an external network; absent for other networks.
    pub external: Option<External>,
    /// The network's subnets.
    pub subnets: Vec<Subnet>,
    /// The MTU in bytes; absent for the kernel's default.
    pub mtu: Option<u32>,
    /// The DNS TTL of the network's names, in seconds; absent for the configuration's.
    #[serde(default)]
    pub dns_ttl: Option<u32>,
    /// Whether the network is isolated from the outside.
    pub internal: bool,
    /// The user's labels.
    pub labels: BTreeMap<String, String>,
    /// The network's options.
    pub options: BTreeMap<String, String>,
    /// When the network was created, in seconds since 1970 (UTC).
    pub created: u64,
    /// The VCH's link of the network; absent for `none`.
    pub link: Option<String>,
    /// The network's endpoints, by container name.
    pub endpoints: BTreeMap<String, Endpoint>,
}

/// The configuration of an external network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct External {
    /// The network's name servers.
    pub dns: Vec<String>,
    /// Who assigns the network's addresses.
    pub addressing: Addressing,
    /// The traffic that may pass between the network and its containers.
    pub level: Level,
    /// Whether ports without an address are published on this network.
    pub published: bool,
}

/// A subnet of a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subnet {
    /// The subnet, as `address/length`.
    pub subnet: String,
    /// The gateway of the containers' default route; on a bridge network, the VCH.
    pub gateway: Option<String>,
    /// The VCH's own address in the subnet.
    pub vch: Option<String>,
    /// Addresses that are never assigned, by name.
    pub auxiliary: BTreeMap<String, String>,
    /// The ranges of automatic addresses, as `address/length` or `first-last`; empty for the whole
    /// subnet.
    pub ranges: Vec<String>,
}

/// A container, as listed and inspected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Container {
    /// The container's ID: 64 hexadecimal digits.
    pub id: String,
    /// The container's name.
    pub name: String,
    /// The container's host name.
    pub hostname: String,
    /// The channel to the container's agent.
    pub channel: String,
    /// The identity of the present run, 32 hexadecimal digits; absent before the first start.
    pub incarnation: Option<String>,
    /// The number of the container's newest spec.
    pub generation: u64,
    /// Whether the container runs; its names and ports are in force while it does.
    pub running: bool,
    /// Whether the container's health check succeeds.
    pub healthy: bool,
    /// The state of the session with the container's agent.
    pub session: Session,
    /// The ports that the container exposes and publishes, as written in requests.
    pub ports: Vec<String>,
    /// The ports of the VCH that lead to the container now.
    pub bindings: Vec<Binding>,
    /// The container's endpoints, by network name.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// When the container was added, in seconds since 1970 (UTC).
    pub created: u64,
}

/// The state of the session with a container's agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Whether the agent is connected.
    pub live: bool,
    /// The agent's name and release, while it is connected.
    pub agent: Option<String>,
    /// Whether the agent has applied the newest spec.
    pub state: Readiness,
    /// The number of the spec that the newest report is about.
    pub reported: Option<u64>,
    /// The failures that the agent reported, in its words.
    pub failures: Vec<String>,
}

/// A container's endpoint on a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// The endpoint's ID: 64 hexadecimal digits.
    pub id: String,
    /// The container's name.
    pub container: String,
    /// The network's name.
    pub network: String,
    /// The endpoint's addresses, as `address/length`.
    pub addresses: Vec<String>,
    /// The endpoint's MAC address.
    pub mac: String,
    /// The name of the interface in the guest.
    pub interface: String,
    /// How the endpoint is attached to the container.
    pub attachment: Attachment,
    /// The endpoint's link on the VCH; for a VM, the value for `-netdev tap,ifname=`.
    pub link: String,
    /// All names of the endpoint that are in force on this network.
    pub names: Vec<String>,
    /// The ports that are open to an external network now, such as `80/tcp`.
    pub opened: Vec<String>,
    /// Names that only this container has for others, as `container:alias`.
    pub links: Vec<String>,
    /// The priority of this network's gateway: the highest one is the container's default gateway.
    pub gateway_priority: i32,
    /// The rate to which its traffic is limited each way, as in `50mbit`; absent if it is not limited.
    #[serde(default)]
    pub rate: Option<String>,
    /// The state of the endpoint in the guest.
    pub state: EndpointState,
    /// The addresses in the guest's kernel, as its agent last reported.
    pub observed: Vec<String>,
}

/// A port of the VCH that leads to a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// The container's name.
    pub container: String,
    /// The network through which the port leads.
    pub network: String,
    /// The protocol of both ports.
    pub protocol: Protocol,
    /// The address of the port; absent for the VCH's addresses on the external networks on which
    /// ports are published by default. `0.0.0.0` and `::` stand for all addresses of the VCH except
    /// those on the management network and the Docker endpoint.
    pub address: Option<String>,
    /// The port of the VCH.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// The subnets whose clients may use the port, as `address/length`; empty for all clients.
    pub clients: Vec<String>,
    /// Whether the VCH chose the port.
    pub ephemeral: bool,
}

/// The answer to `POST /v1/reload`: networks that changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// Names of the networks that were added.
    pub added: Vec<String>,
    /// Names of the networks that were changed.
    pub changed: Vec<String>,
    /// IDs of the networks that were removed.
    pub removed: Vec<String>,
}

/// An entry of `GET /v1/containers/{container}/trace`: a completed phase of the last start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Phase {
    /// The phase. From the coordinator: `asked`, `disks`, `committed`, `turn` (the wait for one of
    /// the permits to boot, one for each processor). From the shim: `launched`, `qemu`, `init`.
    /// From the guest, as received by the shim: `init`, `devices`, `mounted`, `agent`, `network`,
    /// `process`.
    pub name: String,
    /// When the phase ended, in microseconds since 1970 (UTC) by the VCH's clock.
    pub at_us: u64,
    /// When the phase ended, in microseconds since the guest booted by the guest's clock.
    pub uptime_us: Option<u64>,
}

/// The answer to `POST /v1/containers/{container}/start`: the data that the program that runs the
/// VM needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    /// The container's ID.
    pub id: String,
    /// The identity of the new run.
    pub incarnation: String,
    /// The channel to the container's agent.
    pub channel: String,
    /// The container's endpoints, each with its NIC.
    pub endpoints: Vec<Endpoint>,
}

/// The answer to a request that changes something.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer<T> {
    /// The ledger's revision of the change.
    pub revision: u64,
    /// Whether the change is in force everywhere.
    pub progress: Progress,
    /// The object that was created or changed.
    #[serde(flatten)]
    pub body: T,
}

/// The answer to `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The coordinator's release.
    pub version: String,
    /// The coordinator's process number.
    pub pid: u32,
    /// The VCH's random ID.
    pub vch: String,
    /// The ledger's newest revision.
    pub revision: u64,
    /// The number of networks in the ledger.
    pub networks: usize,
    /// The number of containers in the ledger.
    pub containers: usize,
    /// The number of endpoints in the ledger.
    pub endpoints: usize,
    /// The number of live sessions.
    pub sessions: usize,
    /// The number of the VCH's ports that lead to containers.
    pub bindings: usize,
    /// Warnings: routes of the VCH that overlap a network's subnet (its users are unreachable, or
    /// reach another server), and containers that cannot be read or are unknown.
    pub warnings: Vec<String>,
    /// Directories of containers that the ledger did not know when the coordinator started. They
    /// are kept in `lost/` in the state directory. Older releases do not report them.
    #[serde(default)]
    pub lost: Vec<String>,
    /// Objects that do not agree with the ledger yet and are retried, in words.
    pub unsettled: Vec<String>,
    /// Why VMs run without limits of the host's kernel; `None` if they have limits, or if the VCH
    /// starts no VMs.
    #[serde(default)]
    pub vms_unlimited: Option<String>,
}

/// The body of every unsuccessful answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// A stable code for programs.
    pub code: String,
    /// A message for people, with field, value and remedy.
    pub message: String,
}

/// The answer to a removal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Removed {
    /// The ID of the removed object.
    pub id: String,
}
