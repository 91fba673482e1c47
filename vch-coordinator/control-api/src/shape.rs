//! The JSON of the native API, version 1: what travels between the coordinator and its clients.
//!
//! Requests hold text as the user wrote it; the handlers parse it into the ledger's types, so that
//! each error names the field.

mod request;
mod row;
mod words;

pub use request::{
    AddContainer, Aliases, Connect, CreateNetwork, DnsTtl, Health, Ports, Rename, SubnetRequest,
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
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What carries it.
    pub driver: Driver,
    /// From where it is seen.
    pub scope: Scope,
    /// What carries a bridge network; absent for any other.
    pub segment: Option<Segment>,
    /// What the configuration says of an external network.
    pub external: Option<External>,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
    /// MTU in bytes; absent where the kernel's default holds.
    pub mtu: Option<u32>,
    /// How long answers about its names may be kept, in seconds; absent where the configuration says it.
    #[serde(default)]
    pub dns_ttl: Option<u32>,
    /// Whether it has no way out.
    pub internal: bool,
    /// The user's own notes.
    pub labels: BTreeMap<String, String>,
    /// Options for what carries it.
    pub options: BTreeMap<String, String>,
    /// When it was made, seconds since 1970 (UTC).
    pub created: u64,
    /// The VCH's link that carries it; absent for `none`.
    pub link: Option<String>,
    /// Who is on it: by container name.
    pub endpoints: BTreeMap<String, Endpoint>,
}

/// What the configuration says of an external network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct External {
    /// Its name servers.
    pub dns: Vec<String>,
    /// Who gives addresses on it.
    pub addressing: Addressing,
    /// What may pass between it and its containers.
    pub level: Level,
    /// Whether ports that name no address of the VCH are published here.
    pub published: bool,
}

/// One subnet of a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subnet {
    /// `address/length`.
    pub subnet: String,
    /// The next hop of its containers' default route: on a bridge network the VCH.
    pub gateway: Option<String>,
    /// The VCH's own address there.
    pub vch: Option<String>,
    /// Addresses that are never handed out: name to address.
    pub auxiliary: BTreeMap<String, String>,
    /// Where automatic addresses come from: `address/length` or `first-last`; empty for the whole
    /// subnet.
    pub ranges: Vec<String>,
}

/// A container, as listed and inspected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its host name.
    pub hostname: String,
    /// The channel to its agent.
    pub channel: String,
    /// The present life of its VM, 32 hexadecimal digits; absent before the first start.
    pub incarnation: Option<String>,
    /// Number of its newest spec.
    pub generation: u64,
    /// Whether it runs: its names and ports are in force as long as it does.
    pub running: bool,
    /// What its health check says.
    pub healthy: bool,
    /// What is known of its agent.
    pub session: Session,
    /// The ports that it exposes and publishes, as they are written in a request.
    pub ports: Vec<String>,
    /// The ports of the VCH that lead to it now.
    pub bindings: Vec<Binding>,
    /// Its endpoints on networks: by network name.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// When it was added, seconds since 1970 (UTC).
    pub created: u64,
}

/// What is known of a container's agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Whether it is there now.
    pub live: bool,
    /// Its name and release, while it is there.
    pub agent: Option<String>,
    /// How it has the newest spec.
    pub state: Readiness,
    /// Number of the spec that its newest report is about.
    pub reported: Option<u64>,
    /// What it could not do, in its words.
    pub failures: Vec<String>,
}

/// A container's endpoint on a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The container's name.
    pub container: String,
    /// The network's name.
    pub network: String,
    /// Its addresses, each `address/length`.
    pub addresses: Vec<String>,
    /// Its MAC address.
    pub mac: String,
    /// The interface's name in the guest.
    pub interface: String,
    /// By what it is attached to the container.
    pub attachment: Attachment,
    /// The link on the VCH: what a VM's `-netdev tap,ifname=` names.
    pub link: String,
    /// All names that answer on this network now.
    pub names: Vec<String>,
    /// The ports that are open to an external network now, as in `80/tcp`.
    pub opened: Vec<String>,
    /// Names that it alone has for others: `container:alias`.
    pub links: Vec<String>,
    /// Whose gateway is the container's default: the greatest first.
    pub gateway_priority: i32,
    /// How it is in the guest.
    pub state: EndpointState,
    /// What the guest's kernel has: addresses as its agent last reported.
    pub observed: Vec<String>,
}

/// A port of the VCH that leads to a container's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// The container's name.
    pub container: String,
    /// By which of its networks.
    pub network: String,
    /// The protocol of both ports.
    pub protocol: Protocol,
    /// Where it answers; absent for the VCH's addresses on the external networks that are the
    /// default for published ports; `0.0.0.0` and `::` are all of the VCH's but those on the
    /// management network and the docker endpoint's.
    pub address: Option<String>,
    /// The port there.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// From where it may be used, each `address/length`; empty for everywhere.
    pub clients: Vec<String>,
    /// The VCH chose the port.
    pub ephemeral: bool,
}

/// Answer to `POST /v1/reload`: networks by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that were otherwise before.
    pub changed: Vec<String>,
    /// IDs of those that are gone.
    pub removed: Vec<String>,
}

/// One entry of `GET /v1/containers/{container}/trace`: a phase of the last start that is at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Phase {
    /// `asked`, `disks`, `committed`, `turn` (the coordinator; as many VMs boot at once as it has
    /// processors); `launched`, `qemu`, `init` (the shim);
    /// `init`, `devices`, `mounted`, `agent`, `network`, `process` (as the shim hears them of the guest).
    pub name: String,
    /// When, by the VCH's clock: microseconds since 1970 (UTC).
    pub at_us: u64,
    /// When, by the guest's clock: microseconds since it booted.
    pub uptime_us: Option<u64>,
}

/// Answer to `POST /v1/containers/{container}/start`: what whoever starts the VM needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    /// The container's ID.
    pub id: String,
    /// The new life of its VM.
    pub incarnation: String,
    /// The channel to its agent.
    pub channel: String,
    /// Its NICs.
    pub endpoints: Vec<Endpoint>,
}

/// How far a request has come when it is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer<T> {
    /// The ledger's revision in which it was committed.
    pub revision: u64,
    /// Whether it is in force everywhere.
    pub progress: Progress,
    /// What was made.
    #[serde(flatten)]
    pub body: T,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The coordinator's release.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The VCH's random ID.
    pub vch: String,
    /// The ledger's revision.
    pub revision: u64,
    /// Networks, containers, endpoints in the ledger.
    pub networks: usize,
    /// Containers in the ledger.
    pub containers: usize,
    /// Endpoints in the ledger.
    pub endpoints: usize,
    /// Live sessions.
    pub sessions: usize,
    /// Ports of the VCH that lead to containers.
    pub bindings: usize,
    /// In words: routes of the VCH that overlap a network's subnet (who uses that network is not
    /// reached, or reaches another server), and containers that can't be read or are not known.
    pub warnings: Vec<String>,
    /// Directories of containers that the ledger did not know when the coordinator started: kept in
    /// `lost/` of the state directory. Older releases don't tell.
    #[serde(default)]
    pub lost: Vec<String>,
    /// Effects that do not yet agree with the ledger and are being retried, in words.
    pub unsettled: Vec<String>,
    /// Why the host's kernel bounds no VM; `None` where it does, or the VCH starts none.
    #[serde(default)]
    pub vms_unlimited: Option<String>,
}

/// Every answer that is no success.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// Stable word for programs.
    pub code: String,
    /// For a person: field, value and remedy.
    pub message: String,
}

/// Answer to a removal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Removed {
    /// What is gone: its ID.
    pub id: String,
}
