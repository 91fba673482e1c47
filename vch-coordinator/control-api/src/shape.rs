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
    /// Its subnets; without one of IPv4 it gets one from the pools.
    pub subnets: Vec<SubnetRequest>,
    /// Give it an IPv6 subnet of the VCH's own ULA prefix where `subnets` has none.
    pub ipv6: bool,
    /// `dedicated` or `shared`; by default as the configuration says.
    pub segment: Option<String>,
    /// MTU in bytes of every link of it.
    pub mtu: Option<u32>,
    /// How long answers about its names may be kept, in seconds; by default as the configuration says.
    pub dns_ttl: Option<u32>,
    /// No way out: no default route, no masquerade.
    pub internal: bool,
    /// The user's own notes.
    pub labels: BTreeMap<String, String>,
    /// Options for what carries it, kept as given.
    pub options: BTreeMap<String, String>,
}

/// `PUT /v1/networks/{network}/dns-ttl`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsTtl {
    /// How long answers about its names may be kept, in seconds: at most 86400; absent or null for what the
    /// configuration says.
    #[serde(default)]
    pub seconds: Option<u32>,
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
    /// `bridge`, `external` or `null`.
    pub driver: String,
    /// `bridge`, `external` or `none`.
    pub scope: String,
    /// `dedicated` or `shared`; absent for what is no bridge network.
    pub segment: Option<String>,
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
    /// `static` or `dhcp`.
    pub addressing: String,
    /// What may pass between it and its containers: `published`, `closed`, `outbound`, `peers` or
    /// `open`.
    pub level: String,
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
    /// Ports to be published, as Docker writes them:
    /// `[address:][host[-host]:]container[-container][/protocol]`.
    pub publish: Vec<String>,
    /// Ports to be exposed: `container[-container][/protocol]`.
    pub expose: Vec<String>,
    /// Publish what is exposed, too, at ports that the VCH chooses.
    pub publish_all: bool,
}

/// `POST /v1/containers/{container}/ports`: ports that are added; with `DELETE`: those that go.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ports {
    /// As in [`AddContainer::publish`].
    pub publish: Vec<String>,
    /// As in [`AddContainer::expose`].
    pub expose: Vec<String>,
    /// From where the published ones may be used, each `address/length`; empty for everywhere.
    pub clients: Vec<String>,
}

/// `POST /v1/containers/{container}/rename`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The container's new name.
    pub name: String,
}

/// `POST /v1/containers/{container}/health`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What its health check says.
    pub healthy: bool,
}

/// `PUT /v1/containers/{container}/endpoints/{network}/aliases`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aliases {
    /// All that it has from now on.
    pub aliases: Vec<String>,
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
    /// Whose gateway is the container's default: the greatest first.
    pub gateway_priority: i32,
    /// Names that it alone has for other containers of the network: `container:alias`.
    pub links: Vec<String>,
    /// Its names answer only while it is healthy.
    pub only_healthy: bool,
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
    /// `ready` when its newest report shows the newest spec, everything up; `failed` when something
    /// was refused; else `pending`.
    pub state: String,
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
    /// `tap` or `veth`.
    pub attachment: String,
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
    /// `up`, `waiting` (no NIC yet), `failed`, `unsupported` or `pending`.
    pub state: String,
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
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
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

/// One line of `GET /v1/changes?from=N`: a transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transaction {
    /// Its number.
    pub revision: u64,
    /// When it was decided, milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// What became of which rows; no row twice.
    pub changes: Vec<Change>,
}

/// What became of one row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    /// `network`, `container`, `endpoint`, `resting-address`, `address-cursor` or `port-binding`.
    pub kind: String,
    /// What identifies the row among those of its kind.
    pub key: String,
    /// What it was; absent for a new one.
    pub before: Option<serde_json::Value>,
    /// What it is; absent for one that is gone.
    pub after: Option<serde_json::Value>,
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
