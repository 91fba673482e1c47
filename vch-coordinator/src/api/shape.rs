//! The JSON of the native API, version 1: what travels between the coordinator and its clients.
//!
//! Requests hold text as the user wrote it; the handlers parse it into the ledger's types, so that
//! each error names the field.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `POST /v1/networks`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateNetwork {
    /// The network's name.
    pub name: String,
    /// Its subnets; none asks for one from the pools.
    pub subnets: Vec<SubnetRequest>,
    /// MTU in bytes of every link of it.
    pub mtu: Option<u32>,
    /// No way out: no default route, no masquerade.
    pub internal: bool,
    /// The user's own notes.
    pub labels: BTreeMap<String, String>,
}

/// One subnet of a network to be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubnetRequest {
    /// The subnet, `address/length`.
    pub subnet: String,
    /// The gateway; by default the subnet's first address.
    pub gateway: Option<String>,
    /// Where automatic addresses come from; by default the whole subnet.
    pub range: Option<String>,
    /// Addresses that are in use by others: name to address.
    pub auxiliary: BTreeMap<String, String>,
}

/// A network, as listed and inspected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `bridge` or `null`.
    pub driver: String,
    /// `bridge` or `none`.
    pub scope: String,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
    /// MTU in bytes; absent where the kernel's default holds.
    pub mtu: Option<u32>,
    /// Whether it has no way out.
    pub internal: bool,
    /// The user's own notes.
    pub labels: BTreeMap<String, String>,
    /// When it was made, seconds since 1970 (UTC).
    pub created: u64,
    /// The VCH's link that carries it; absent for `none`.
    pub link: Option<String>,
    /// Who is on it: by container name.
    pub endpoints: BTreeMap<String, Endpoint>,
}

/// One subnet of a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subnet {
    /// `address/length`.
    pub subnet: String,
    /// The next hop of its containers' default route: on a bridge network the VCH.
    pub gateway: Option<String>,
    /// Where automatic addresses come from: `address/length` or `first-last`; empty for the whole
    /// subnet.
    pub ranges: Vec<String>,
}

/// `POST /v1/containers`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddContainer {
    /// The container's name.
    pub name: String,
    /// Its host name; by default its short ID, as with Docker.
    pub hostname: Option<String>,
    /// The channel to its agent: `hybrid-vsock:PATH:PORT`, `chardev:PATH`, `unix`, `unix:PATH`
    /// or `vsock:CID`.
    pub channel: String,
    /// Name servers asked for it about names that are not ours.
    pub dns: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// Extra lines of its hosts file, `name:address`.
    pub extra_hosts: Vec<String>,
}

/// `POST /v1/containers/{container}/endpoints`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connect {
    /// The network's name or ID.
    pub network: String,
    /// A static IPv4 address.
    pub ip: Option<String>,
    /// A static IPv6 address.
    pub ip6: Option<String>,
    /// The MAC address; by default hashed from the endpoint's ID.
    pub mac: Option<String>,
    /// Further names on this network.
    pub aliases: Vec<String>,
    /// `tap` (default) or `veth:PATH` with the path of a network namespace.
    pub attachment: Option<String>,
    /// By what the agent finds the NIC: `mac` (default), `pci:PATH` or `slot:NUMBER`.
    pub nic: Option<String>,
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
    /// What is known of its agent.
    pub session: Session,
    /// Its places on networks: by network name.
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
    /// `ready` when its newest report shows the newest spec, everything up; `failed` when something
    /// was refused; else `pending`.
    pub state: String,
    /// Number of the spec that its newest report is about.
    pub reported: Option<u64>,
    /// What it could not do, in its words.
    pub failures: Vec<String>,
}

/// A container's place on a network.
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
    /// `tap` or `veth`.
    pub attachment: String,
    /// The link on the VCH: what a VM's `-netdev tap,ifname=` names.
    pub link: String,
    /// All names that answer on this network.
    pub names: Vec<String>,
    /// `up`, `waiting` (no NIC yet), `failed`, `unsupported` or `pending`.
    pub state: String,
    /// What the guest's kernel has: addresses as its agent last reported.
    pub observed: Vec<String>,
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
    /// `done`; or `pending`: committed and in force on the VCH, not yet reported by the agent.
    pub progress: String,
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
    /// Effects that do not yet agree with the ledger and are being retried, in words.
    pub unsettled: Vec<String>,
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
