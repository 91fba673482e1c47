//! The stream of changes, `GET /v1/changes`: the ledger's transactions with the rows that they changed. `vchctl`
//! prints the lines as they arrive, so these types are only serialized.

use super::{External, NetworkKind, Protocol, RowKind, Segment};
use ipnet::IpNet;
use serde::Serialize;
use std::{collections::BTreeMap, net::IpAddr};

/// A line of `GET /v1/changes`: a transaction of the ledger, all of whose changes were stored together.
#[derive(Clone, Debug, Serialize)]
pub struct Transaction {
    /// The transaction's number; the next transaction has the next higher one.
    pub revision: u64,
    /// When the transaction was decided, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The changes of rows, at most one for each row.
    pub changes: Vec<Change>,
}

/// The change of one row of the ledger in a transaction.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The kind of the row.
    pub kind: RowKind,
    /// The row's key, unique among the rows of its kind: an ID, an ID and an address (or the kind of a document)
    /// separated by a space, or a port of the VCH such as `192.0.2.1:8080/tcp`.
    pub key: String,
    /// The row before the change; null for a new row.
    pub before: Option<Row>,
    /// The row after the change; null for a removed row.
    pub after: Option<Row>,
}

/// A row: one object that the ledger stores, with most of its fields (a few, such as sysctls and links to missing
/// containers, are not shown). In JSON it has no tag: [`Change::kind`] tells which variant it is.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// A network.
    Network(Box<NetworkRow>),
    /// A container.
    Container(Box<ContainerRow>),
    /// A container's endpoint on a network.
    Endpoint(Box<EndpointRow>),
    /// An address that an endpoint released: the VCH does not choose it again while other addresses of the subnet are
    /// free.
    RestingAddress(RestingAddressRow),
    /// The position in a subnet from which the VCH searches the next free address for an endpoint.
    AddressCursor(AddressCursorRow),
    /// A published port that is in force: a port of the VCH that leads to a running container.
    PortBinding(PortBindingRow),
    /// A text that another part of the VCH stores with a container, and that the ledger does not read, such as the
    /// description of what its VM is to run.
    Document(DocumentRow),
}

/// A network, as the ledger stores it.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkRow {
    /// The network's name.
    pub name: String,
    /// The network's kind.
    pub kind: NetworkKind,
    /// Whether a bridge network has a bridge of its own or shares one; for a configuration, which of both the networks
    /// made from it have. Null for other networks.
    pub segment: Option<Segment>,
    /// The VCH's interface on an external network; null for other networks.
    pub interface: Option<String>,
    /// The settings of an external network; null for other networks.
    pub external: Option<External>,
    /// Whether the VCH created the network itself (`bridge`, `none` and the external networks of the configuration):
    /// requests cannot remove it. False for a network that a request created.
    pub predefined: bool,
    /// The network's subnets.
    pub subnets: Vec<SubnetRow>,
    /// The MTU of all links of the network, in bytes; null for the kernel's default.
    pub mtu: Option<u32>,
    /// How long DNS clients may cache the names on this network, in seconds; null for the configuration's value.
    pub dns_ttl: Option<u32>,
    /// Whether the network is isolated from the outside: its containers have no default route, no masquerading and no
    /// answers for names outside the VCH.
    pub internal: bool,
    /// The user's labels, which the VCH only stores.
    pub labels: BTreeMap<String, String>,
    /// The options that the network was created with, by name.
    pub options: BTreeMap<String, String>,
    /// When the network was created, in milliseconds since 1970 (UTC).
    pub created_ms: u64,
}

/// A subnet of a network, as the ledger stores it.
#[derive(Clone, Debug, Serialize)]
pub struct SubnetRow {
    /// The subnet, as `address/length`.
    pub subnet: IpNet,
    /// The gateway of the containers' default route; on a bridge network it is the VCH itself. Null on an external
    /// network without a router.
    pub gateway: Option<IpAddr>,
    /// The VCH's own address in the subnet, which no container gets; null on an external network on which the VCH has
    /// none.
    pub vch: Option<IpAddr>,
    /// The ranges from which the VCH chooses addresses for containers, as `address/length` or `first-last`; empty for
    /// the whole subnet.
    pub ranges: Vec<String>,
    /// Addresses that are never assigned to containers, by a name that the user chose.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

/// A container, as the ledger stores it.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerRow {
    /// The container's name.
    pub name: String,
    /// The host name in the container's VM.
    pub hostname: String,
    /// The channel between the VCH and the container's agent, as in
    /// [`AddContainer::channel`](super::AddContainer::channel).
    pub channel: String,
    /// The DNS servers to which the VCH forwards this container's queries for names that are not the VCH's own; empty
    /// for the servers of the VCH's configuration.
    pub dns: Vec<IpAddr>,
    /// The search domains of the container's resolv.conf(5); empty, or the single domain `.`, for none.
    pub dns_search: Vec<String>,
    /// Options of the container's resolv.conf(5).
    pub dns_options: Vec<String>,
    /// Further lines of the container's hosts file: the addresses of each name.
    pub extra_hosts: BTreeMap<String, Vec<String>>,
    /// The container's ports as requests write them: a published one as `8080:80/tcp`, followed by `from SUBNETS` if
    /// only clients in these may use it; an exposed one as `80/tcp exposed`.
    pub ports: Vec<String>,
    /// Whether the exposed ports are published too, at ports that the VCH chooses.
    pub publish_all: bool,
    /// Whether the container's health check fails; false without a health check.
    pub unhealthy: bool,
    /// The random identity of the present run, 32 hexadecimal digits; null while the container does not run.
    pub incarnation: Option<String>,
    /// The number of the container's newest spec (the network configuration that its VM must have), one higher with
    /// each change of it.
    pub generation: u64,
    /// When the container was added, in milliseconds since 1970 (UTC).
    pub created_ms: u64,
}

/// A container's endpoint (its connection to one network), as the ledger stores it.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointRow {
    /// The container's ID.
    pub container: String,
    /// The network's ID.
    pub network: String,
    /// The endpoint's addresses, as `address/length`.
    pub addresses: Vec<String>,
    /// The endpoint's MAC address.
    pub mac: String,
    /// The additional DNS names that were requested for the container on this network. They are answered while they are
    /// in `names`.
    pub aliases: Vec<String>,
    /// The DNS names by which other containers of this network find the container at present. Empty while it does not
    /// run, and, if its names need a healthy container (`only_healthy`), while its health check fails.
    pub names: Vec<String>,
    /// The name that reverse DNS lookups of the addresses return.
    pub pointer: String,
    /// The name of the endpoint's interface in the VM, such as `eth0`.
    pub interface: String,
    /// The VCH's end of the connection: `tap`, or `veth:PATH` with the path of a network namespace.
    pub attachment: String,
    /// The priority of this network's gateway, 0 by default: the gateway with the highest one is the container's
    /// default gateway. Of equal ones, a network with a way out precedes an internal one, then two IP versions precede
    /// one, then the name decides.
    pub gateway_priority: i32,
    /// DNS names that only this container can resolve, for other containers on the network: each with the ID of the
    /// other container.
    pub links: BTreeMap<String, String>,
    /// Whether DNS answers for the container on this network only while its health check does not fail. If false, it
    /// answers whenever the container runs.
    pub only_healthy: bool,
    /// The container's ports that clients on an external network may reach at present, such as `80/tcp`. Empty on a
    /// bridge network, and while the container does not run.
    pub opened: Vec<String>,
    /// The limit of what the container receives by this network, and likewise of what it sends, in bits of Ethernet
    /// frames a second, such as `50mbit`; `None` (the key is left out) for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
}

/// An address that an endpoint released: the VCH does not choose it again while other addresses of the subnet are free.
#[derive(Clone, Debug, Serialize)]
pub struct RestingAddressRow {
    /// The network's ID.
    pub network: String,
    /// The address.
    pub address: IpAddr,
    /// The revision (number) of the transaction that released the address. If no other address is free, the one with
    /// the lowest number is chosen again.
    pub since: u64,
}

/// The position in a subnet from which the VCH searches the next free address for an endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct AddressCursorRow {
    /// The network's ID.
    pub network: String,
    /// The network address of the subnet, such as `10.9.0.0`.
    pub subnet: IpAddr,
    /// The address with which the next search begins. It moves on with each chosen address, so that a released one is
    /// not chosen again at once.
    pub next: IpAddr,
}

/// A published port that is in force: a port of the VCH that leads to a container.
#[derive(Clone, Debug, Serialize)]
pub struct PortBindingRow {
    /// The container's ID.
    pub container: String,
    /// The ID of the endpoint (the container's connection to a network) whose addresses the port leads to.
    pub endpoint: String,
    /// The protocol of both ports.
    pub protocol: Protocol,
    /// The address of the VCH at which the port is published. Null for the default addresses: those of the VCH on the
    /// external networks that are a default for published ports, IPv4 loopback, and the gateways of bridge networks
    /// that are not internal. `0.0.0.0` and `::` stand for all addresses of the VCH of that IP version except those on
    /// the management network and the Docker endpoint.
    pub address: Option<IpAddr>,
    /// The port of the VCH.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// The container's addresses that the port leads to, at most one for each IP version.
    pub target: Vec<IpAddr>,
    /// The subnets whose clients may use the port, as `address/length`; empty for all clients.
    pub clients: Vec<String>,
    /// Whether the VCH chose the port, since the request named neither a port of the VCH nor a range. False for a port
    /// that was taken from a requested range.
    pub ephemeral: bool,
}

/// A text that another part of the VCH stores with a container, and that the ledger does not read, such as the
/// description of what its VM is to run.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentRow {
    /// The container's ID.
    pub container: String,
    /// The kind of the text, one of two: `workload` (what the container's VM is to run) or `life` (the state of the present or last
    /// run). A container has at most one text of each kind.
    pub document: String,
    /// The text, at most 256 KiB. Its format is that of the part of the VCH that wrote it, and may change with each
    /// release.
    pub text: String,
}
