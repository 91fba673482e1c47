//! The JSON types of the native API, version 1, which the coordinator and its clients exchange. A field that is
//! `None` is shown as null; the documentation calls it absent.
//!
//! Requests contain text as the user wrote it. The handlers parse it into the ledger's types, so that each error
//! names its field.

mod enums;
mod request;
mod row;

pub use enums::{
    Addressing, Attachment, Driver, EndpointState, Level, NetworkKind, Progress, Protocol,
    Readiness, RowKind, Scope, Segment,
};
pub use request::{
    AddContainer, Aliases, Connect, CreateNetwork, DnsTtl, Health, Ports, Rate, Rename,
    SubnetRequest,
};
pub use row::{
    AddressCursorRow, Change, ContainerRow, DocumentRow, EndpointRow, NetworkRow, PortBindingRow,
    RestingAddressRow, Row, SubnetRow, Transaction,
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
    /// The kind of the network's link: a bridge, an external link, or none.
    pub driver: Driver,
    /// From where the containers on the network can be reached at their own addresses. Published ports do not count.
    pub scope: Scope,
    /// Whether a bridge network has a bridge of its own or shares one; for a configuration, which of both the networks
    /// made from it have. Absent for other networks.
    pub segment: Option<Segment>,
    /// The name servers, addressing and permitted traffic of an external network; absent for other networks.
    pub external: Option<External>,
    /// The network's subnets.
    pub subnets: Vec<Subnet>,
    /// The MTU of all links of the network, in bytes; absent for the kernel's default.
    pub mtu: Option<u32>,
    /// How long DNS clients may cache the names on this network, in seconds; absent for the configuration's value.
    #[serde(default)]
    pub dns_ttl: Option<u32>,
    /// Whether the network is isolated from the outside: its containers have no default route, no masquerading and no
    /// answers for names outside the VCH.
    pub internal: bool,
    /// The user's labels, which the VCH only stores.
    pub labels: BTreeMap<String, String>,
    /// The options that the network was created with, by name.
    pub options: BTreeMap<String, String>,
    /// When the network was created, in seconds since 1970 (UTC).
    pub created: u64,
    /// The name of the link on the VCH that carries the network: a bridge, or the configured interface of an external
    /// network. Absent for networks without a link (`none`, configurations).
    pub link: Option<String>,
    /// The containers on the network: their endpoints by container name.
    pub endpoints: BTreeMap<String, Endpoint>,
}

/// The settings of an external network, from the VCH's configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct External {
    /// The IP addresses of the network's name servers, for containers that are on external networks only.
    pub dns: Vec<String>,
    /// Whether the VCH or a DHCP server assigns the containers' addresses.
    pub addressing: Addressing,
    /// The traffic that may pass between the network and its containers.
    pub level: Level,
    /// Whether a port that a container publishes without an address of the VCH answers at the VCH's address on this
    /// network.
    pub published: bool,
}

/// A subnet of a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subnet {
    /// The subnet, as `address/length`, such as `172.18.0.0/16`.
    pub subnet: String,
    /// The gateway of the containers' default route; on a bridge network it is the VCH itself. Absent on an external
    /// network without a router.
    pub gateway: Option<String>,
    /// The VCH's own address in the subnet, which no container gets; absent on an external network on which the VCH has
    /// none.
    pub vch: Option<String>,
    /// Addresses that are never assigned to containers, by a name that the user chose.
    pub auxiliary: BTreeMap<String, String>,
    /// The ranges from which the VCH chooses addresses for containers, as `address/length` or `first-last`; empty for
    /// the whole subnet.
    pub ranges: Vec<String>,
}

/// A container, as listed and inspected. A container is a VM with an agent that configures the VM's network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Container {
    /// The container's ID: 64 hexadecimal digits.
    pub id: String,
    /// The container's name.
    pub name: String,
    /// The host name of the container's VM.
    pub hostname: String,
    /// The channel between the VCH and the container's agent, as in [`AddContainer::channel`], such as `vsock:7`. A
    /// Unix socket is shown with its path, also if the coordinator chose it.
    pub channel: String,
    /// The random identity of the present run, 32 hexadecimal digits, new at each start; absent while the container
    /// does not run.
    pub incarnation: Option<String>,
    /// The number of the container's newest spec (the network configuration that its VM must have), one higher with
    /// each change.
    pub generation: u64,
    /// Whether the container runs. Its names and ports are in force only while it does.
    pub running: bool,
    /// Whether the container's health check succeeds; true without one.
    pub healthy: bool,
    /// The state of the connection to the container's agent, and what the agent reported last.
    pub session: Session,
    /// The container's ports as requests write them: a published one as `8080:80/tcp`, followed by `from SUBNETS` if
    /// only clients in these may use it; an exposed one as `80/tcp exposed`.
    pub ports: Vec<String>,
    /// The published ports of the container that are in force; empty while it does not run.
    pub bindings: Vec<Binding>,
    /// The container's endpoints, by network name.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// When the container was added, in seconds since 1970 (UTC).
    pub created: u64,
}

/// The state of the connection to a container's agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Whether the agent is connected at present. If false, the other fields come from its last report.
    pub live: bool,
    /// The agent's name and release, such as `tether-net 0.1.0`; absent while it is not connected.
    pub agent: Option<String>,
    /// Whether the agent has applied the container's newest spec (the network configuration that its VM must have).
    pub state: Readiness,
    /// The number (generation) of the spec that the agent's newest report is about; absent if the agent never reported.
    pub reported: Option<u64>,
    /// The parts of the spec in the agent's newest report that it could not apply, one message each; empty if nothing
    /// failed.
    pub failures: Vec<String>,
}

/// A container's endpoint: its connection to one network.
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
    /// The name of the endpoint's interface in the VM, such as `eth0`.
    pub interface: String,
    /// Whether the VCH's end is a tap (for a VM) or a veth pair (for a network namespace).
    pub attachment: Attachment,
    /// The name of the endpoint's link on the VCH: the tap, or the VCH's end of the veth pair. The program that runs a
    /// VM gives it to QEMU as `-netdev tap,ifname=`.
    pub link: String,
    /// The DNS names by which other containers of this network find the container at present. Empty while it does not
    /// run, and, if its names need a healthy container (`only_healthy`), while its health check fails.
    pub names: Vec<String>,
    /// The container's ports that clients on an external network may reach at present, such as `80/tcp`. Empty on a
    /// bridge network, and while the container does not run.
    pub opened: Vec<String>,
    /// DNS names that only this container can resolve, for other containers on the network, as `container:alias`: the
    /// other container's name, and the DNS name for it.
    pub links: Vec<String>,
    /// The priority of this network's gateway, 0 by default: the gateway with the highest one is the container's
    /// default gateway. Of equal ones, a network with a way out precedes an internal one, then two IP versions precede
    /// one, then the name decides.
    pub gateway_priority: i32,
    /// The limit of what the container receives by this network, and likewise of what it sends, in bits of Ethernet
    /// frames a second, such as `50mbit`; absent for no limit.
    #[serde(default)]
    pub rate: Option<String>,
    /// Whether the endpoint is configured in the VM, as its agent reported.
    pub state: EndpointState,
    /// The addresses that the endpoint's interface has in the VM's kernel, as `address/length`, by the agent's newest
    /// report; empty without a report.
    pub observed: Vec<String>,
}

/// A published port that is in force: a port of the VCH that leads to a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// The container's name.
    pub container: String,
    /// The name of the bridge network by which the port leads to the container.
    pub network: String,
    /// The protocol of both ports.
    pub protocol: Protocol,
    /// The address of the VCH at which the port is published. Absent for the default addresses: those of the VCH on the
    /// external networks that are a default for published ports, IPv4 loopback, and the gateways of bridge networks
    /// that are not internal. `0.0.0.0` and `::` stand for all addresses of the VCH of that IP version except those on
    /// the management network and the Docker endpoint.
    pub address: Option<String>,
    /// The port of the VCH.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// The subnets whose clients may use the port, as `address/length`; empty for all clients.
    pub clients: Vec<String>,
    /// Whether the VCH chose the port, since the request named neither a port of the VCH nor a range. False for a port
    /// that was taken from a requested range.
    pub ephemeral: bool,
}

/// The answer to `POST /v1/reload`: the external networks that the configuration changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// Names of the networks that were added.
    pub added: Vec<String>,
    /// Names of the networks that were changed.
    pub changed: Vec<String>,
    /// IDs of the networks that were removed.
    pub removed: Vec<String>,
}

/// A completed phase of a container's last start, an entry of `GET /v1/containers/{container}/trace`, which serves to
/// find out where a start takes its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Phase {
    /// The name of the event that ended the phase. In the coordinator: `asked` (request came), `disks` (disks made),
    /// `committed` (start stored), `turn` (permit to boot, one for each processor). In the shim, the process that runs
    /// the VM: `launched`, `qemu` (QEMU runs), `init` (the VM's init answered). In the VM, as it told the shim: `init`
    /// (init runs), `devices` (found), `mounted` (root file system), `agent` (may write its files), `network`
    /// (configured), `process` (the container's process runs).
    pub name: String,
    /// When the phase ended, in microseconds since 1970 (UTC) by the VCH's clock.
    pub at_us: u64,
    /// When the phase ended, in microseconds since the VM booted, by the VM's clock; absent for phases that the VM
    /// did not report.
    pub uptime_us: Option<u64>,
}

/// The answer to `POST /v1/containers/{container}/start`: what the program that starts the VM needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    /// The container's ID: 64 hexadecimal digits.
    pub id: String,
    /// The random identity of the new run, 32 hexadecimal digits.
    pub incarnation: String,
    /// The channel between the VCH and the container's agent, as in [`Container::channel`].
    pub channel: String,
    /// The container's endpoints. The VM needs a NIC for each, on the endpoint's link and with its MAC address.
    pub endpoints: Vec<Endpoint>,
}

/// The successful answer to a request that changes something. In JSON, the fields of [`Answer::body`] are beside
/// the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer<T> {
    /// The revision of the ledger: the number of the transaction that made the change.
    pub revision: u64,
    /// Whether the change is in force everywhere, or is still pending on the VCH or in the container's VM.
    pub progress: Progress,
    /// The object that was created or changed, as it is afterwards, or the ID of the one that was removed.
    #[serde(flatten)]
    pub body: T,
}

/// The answer to `GET /v1/status`: the state of the coordinator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The coordinator's release.
    pub version: String,
    /// The coordinator's process number.
    pub pid: u32,
    /// The VCH's random ID, 32 hexadecimal digits.
    pub vch: String,
    /// The ledger's newest revision: the number of its last transaction.
    pub revision: u64,
    /// The number of networks in the ledger.
    pub networks: usize,
    /// The number of containers in the ledger.
    pub containers: usize,
    /// The number of endpoints in the ledger.
    pub endpoints: usize,
    /// The number of containers whose agent is connected.
    pub sessions: usize,
    /// The number of published ports that are in force, of all containers.
    pub bindings: usize,
    /// Warnings for people, one text each: routes of the VCH that overlap a network's subnet (so that its containers
    /// reach the wrong hosts), containers whose stored data cannot be read, and VMs or files that belong to no
    /// container of the ledger.
    pub warnings: Vec<String>,
    /// One message for each directory of a container that the ledger did not know when the coordinator started, with
    /// the path to which the directory was moved, in `lost/` of the state directory. Older releases do not report them.
    #[serde(default)]
    pub lost: Vec<String>,
    /// The failures that keep the VCH from agreeing with the ledger, one message each; the coordinator retries them.
    /// Empty if everything agrees. In JSON the key is `unsettled`.
    #[serde(rename = "unsettled")]
    pub drift: Vec<String>,
    /// The reason why the processes of VMs run without limits on the host (cgroups cannot be used); absent if they have
    /// limits, or if the VCH starts no VMs.
    #[serde(default)]
    pub vms_unlimited: Option<String>,
}

/// The body of every unsuccessful answer: why the request failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// A stable code for programs, such as `invalid-field`.
    pub code: String,
    /// A message for people: what is wrong, and what to do about it.
    pub message: String,
}

/// The body of an answer to a removal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Removed {
    /// The ID of the removed object.
    pub id: String,
}
