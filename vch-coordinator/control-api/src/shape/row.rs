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
    /// The row's key, such as an ID; unique among the rows of its kind.
    pub key: String,
    /// The row before the change; null for a new row.
    pub before: Option<Row>,
    /// The row after the change; null for a removed row.
    pub after: Option<Row>,
}

/// A row of the ledger with all of its fields. In JSON it has no tag: [`Change::kind`] tells which variant it is.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// A network.
    Network(Box<NetworkRow>),
    /// A container.
    Container(Box<ContainerRow>),
    /// A container's endpoint on a network.
    Endpoint(Box<EndpointRow>),
    /// An address that was released and is not assigned again for a while.
    RestingAddress(RestingAddressRow),
    /// Where the search for a subnet's next automatic address continues.
    AddressCursor(AddressCursorRow),
    /// A published port that is in force.
    PortBinding(PortBindingRow),
    /// A text that the ledger stores for a container and does not read.
    Document(DocumentRow),
}

/// A network, as the ledger stores it.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkRow {
    /// The network's name.
    pub name: String,
    /// The network's kind.
    pub kind: NetworkKind,
    /// Whether a bridge network has a bridge of its own or shares one; null for other networks.
    pub segment: Option<Segment>,
    /// The VCH's interface on an external network; null for other networks.
    pub interface: Option<String>,
    /// The settings of an external network; null for other networks.
    pub external: Option<External>,
    /// Whether the VCH created the network itself, so that users cannot remove it.
    pub predefined: bool,
    /// The network's subnets.
    pub subnets: Vec<SubnetRow>,
    /// The MTU in bytes; null for the kernel's default.
    pub mtu: Option<u32>,
    /// How long DNS clients may cache the names on this network, in seconds; null for the configuration's value.
    pub dns_ttl: Option<u32>,
    /// Whether the network is isolated from the outside: its containers have no default route.
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
    /// The gateway of the containers' default route; null without one.
    pub gateway: Option<IpAddr>,
    /// The VCH's own address in the subnet; null without one.
    pub vch: Option<IpAddr>,
    /// The ranges that automatic addresses are chosen from; empty for the whole subnet.
    pub ranges: Vec<String>,
    /// Addresses that are never assigned to containers, by a name that the user chose.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

/// A container, as the ledger stores it.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerRow {
    /// The container's name.
    pub name: String,
    /// The container's host name.
    pub hostname: String,
    /// The channel between the VCH and the container's agent, as in the request.
    pub channel: String,
    /// The DNS servers for names that are not the VCH's own; empty for the VCH's servers.
    pub dns: Vec<IpAddr>,
    /// The search domains of the container's resolv.conf(5); empty for the VCH's.
    pub dns_search: Vec<String>,
    /// Options of the container's resolv.conf(5).
    pub dns_options: Vec<String>,
    /// Further lines of the container's hosts file: addresses by name.
    pub extra_hosts: BTreeMap<String, Vec<String>>,
    /// The ports that the container exposes and publishes, as text: `8080:80/tcp`, or `80/tcp exposed`.
    pub ports: Vec<String>,
    /// Whether the exposed ports are published too, at ports that the VCH chooses.
    pub publish_all: bool,
    /// Whether the container's health check fails.
    pub unhealthy: bool,
    /// The random identity of the present run, 32 hexadecimal digits; null while the container does not run.
    pub incarnation: Option<String>,
    /// The number of the container's newest spec (the network configuration that its VM must have).
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
    /// The additional DNS names that were requested.
    pub aliases: Vec<String>,
    /// The DNS names of the container that are in force on this network; empty while it does not run.
    pub names: Vec<String>,
    /// The name that reverse DNS lookups of the addresses return.
    pub pointer: String,
    /// The name of the interface in the VM, such as `eth0`.
    pub interface: String,
    /// The VCH's end of the connection: `tap`, or `veth:PATH` with the path of a network namespace.
    pub attachment: String,
    /// The priority of this network's gateway: the gateway with the highest one is the container's default gateway.
    pub gateway_priority: i32,
    /// DNS names that only this container has for other containers: container IDs by name.
    pub links: BTreeMap<String, String>,
    /// Whether the names are in force only while the container is healthy.
    pub only_healthy: bool,
    /// The ports of the container that are open to an external network at present, such as `80/tcp`.
    pub opened: Vec<String>,
    /// The limit of the endpoint's traffic in each direction, such as `50mbit`; `None` (the key is left out) for no
    /// limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
}

/// An address that was released and is not assigned again for a while.
#[derive(Clone, Debug, Serialize)]
pub struct RestingAddressRow {
    /// The network's ID.
    pub network: String,
    /// The address.
    pub address: IpAddr,
    /// The revision (number) of the transaction that released the address.
    pub since: u64,
}

/// Where the search for a subnet's next automatic address continues.
#[derive(Clone, Debug, Serialize)]
pub struct AddressCursorRow {
    /// The network's ID.
    pub network: String,
    /// The network address of the subnet, such as `10.9.0.0`.
    pub subnet: IpAddr,
    /// The first address to try.
    pub next: IpAddr,
}

/// A published port that is in force: a port of the VCH that leads to a container.
#[derive(Clone, Debug, Serialize)]
pub struct PortBindingRow {
    /// The container's ID.
    pub container: String,
    /// The ID of the endpoint that the port leads to.
    pub endpoint: String,
    /// The protocol of both ports.
    pub protocol: Protocol,
    /// The address of the VCH at which the port is published; null for its addresses on the external networks on
    /// which ports are published by default.
    pub address: Option<IpAddr>,
    /// The port of the VCH.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// The container's addresses that the port leads to, at most one for each IP version.
    pub target: Vec<IpAddr>,
    /// The subnets whose clients may use the port, as `address/length`; empty for all clients.
    pub clients: Vec<String>,
    /// Whether the VCH chose the port, since the request named none.
    pub ephemeral: bool,
}

/// A text that the ledger stores for a container and does not read, such as what the container's VM is to run.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentRow {
    /// The container's ID.
    pub container: String,
    /// The kind of the text.
    pub document: String,
    /// The text.
    pub text: String,
}
