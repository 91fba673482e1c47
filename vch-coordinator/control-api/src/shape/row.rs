//! The stream of changes: transactions with the rows that they changed. `vchctl` prints the lines
//! as they arrive, so that these types are only serialized.

use super::{External, NetworkKind, Protocol, RowKind, Segment};
use ipnet::IpNet;
use serde::Serialize;
use std::{collections::BTreeMap, net::IpAddr};

/// A line of `GET /v1/changes?from=N`: a transaction.
#[derive(Clone, Debug, Serialize)]
pub struct Transaction {
    /// The transaction's number.
    pub revision: u64,
    /// When the transaction was decided, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The changes of rows, at most one for each row.
    pub changes: Vec<Change>,
}

/// A change of a row.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The kind of the row.
    pub kind: RowKind,
    /// The row's key, which is unique among rows of its kind.
    pub key: String,
    /// The row before the change; null for a new row.
    pub before: Option<Row>,
    /// The row after the change; null for a removed row.
    pub after: Option<Row>,
}

/// A row of the ledger with all of its fields.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// A network.
    Network(Box<NetworkRow>),
    /// A container.
    Container(Box<ContainerRow>),
    /// A container's endpoint on a network.
    Endpoint(Box<EndpointRow>),
    /// An address that was released.
    RestingAddress(RestingAddressRow),
    /// The position at which the search for a subnet's next address continues.
    AddressCursor(AddressCursorRow),
    /// A published port that is in force.
    PortBinding(PortBindingRow),
    /// A document of a container.
    Document(DocumentRow),
}

/// A network.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkRow {
    /// The network's name.
    pub name: String,
    /// The network's kind.
    pub kind: NetworkKind,
    /// The segment of a bridge network; null for other networks.
    pub segment: Option<Segment>,
    /// The VCH's link to an external network.
    pub interface: Option<String>,
    /// The configuration of an external network.
    pub external: Option<External>,
    /// Whether the VCH created the network itself.
    pub predefined: bool,
    /// The network's subnets.
    pub subnets: Vec<SubnetRow>,
    /// The MTU in bytes.
    pub mtu: Option<u32>,
    /// The DNS TTL of the network's names, in seconds.
    pub dns_ttl: Option<u32>,
    /// Whether the network is isolated from the outside.
    pub internal: bool,
    /// The user's labels.
    pub labels: BTreeMap<String, String>,
    /// The network's options.
    pub options: BTreeMap<String, String>,
    /// When the network was created, in milliseconds since 1970 (UTC).
    pub created_ms: u64,
}

/// A subnet of a network.
#[derive(Clone, Debug, Serialize)]
pub struct SubnetRow {
    /// The subnet, as `address/length`.
    pub subnet: IpNet,
    /// The gateway of the containers' default route.
    pub gateway: Option<IpAddr>,
    /// The VCH's own address in the subnet.
    pub vch: Option<IpAddr>,
    /// The ranges of automatic addresses; empty for the whole subnet.
    pub ranges: Vec<String>,
    /// Addresses that are never assigned, by name.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

/// A container.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerRow {
    /// The container's name.
    pub name: String,
    /// The container's host name.
    pub hostname: String,
    /// The channel to the container's agent.
    pub channel: String,
    /// Upstream name servers for names that are not the VCH's own.
    pub dns: Vec<IpAddr>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// Further lines of the container's hosts file: addresses by name.
    pub extra_hosts: BTreeMap<String, Vec<String>>,
    /// The ports that the container exposes and publishes, as written in requests.
    pub ports: Vec<String>,
    /// Whether exposed ports are published, too.
    pub publish_all: bool,
    /// Whether the container's health check fails.
    pub unhealthy: bool,
    /// The identity of the present run; null before the first start and after a stop.
    pub incarnation: Option<String>,
    /// The number of the container's newest spec.
    pub generation: u64,
    /// When the container was added, in milliseconds since 1970 (UTC).
    pub created_ms: u64,
}

/// A container's endpoint on a network.
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
    /// The aliases that were requested.
    pub aliases: Vec<String>,
    /// All names of the endpoint that are in force on this network.
    pub names: Vec<String>,
    /// The name that reverse lookups of the addresses return.
    pub pointer: String,
    /// The name of the interface in the guest.
    pub interface: String,
    /// `tap`, or `veth:PATH` with the path of a network namespace.
    pub attachment: String,
    /// The priority of this network's gateway: the highest one is the container's default gateway.
    pub gateway_priority: i32,
    /// Names that only this container has for other containers: container IDs by name.
    pub links: BTreeMap<String, String>,
    /// Whether the endpoint's names are in force only while the container is healthy.
    pub only_healthy: bool,
    /// The ports that are open to an external network.
    pub opened: Vec<String>,
    /// The rate to which its traffic is limited each way; absent if it is not limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
}

/// An address that was released and is not assigned again yet.
#[derive(Clone, Debug, Serialize)]
pub struct RestingAddressRow {
    /// The network's ID.
    pub network: String,
    /// The address.
    pub address: IpAddr,
    /// The number of the transaction that released the address.
    pub since: u64,
}

/// The position at which the search for a subnet's next address continues.
#[derive(Clone, Debug, Serialize)]
pub struct AddressCursorRow {
    /// The network's ID.
    pub network: String,
    /// The subnet's own address.
    pub subnet: IpAddr,
    /// The first address to try.
    pub next: IpAddr,
}

/// A published port that is in force.
#[derive(Clone, Debug, Serialize)]
pub struct PortBindingRow {
    /// The container's ID.
    pub container: String,
    /// The ID of the endpoint that the port leads to.
    pub endpoint: String,
    /// The protocol of both ports.
    pub protocol: Protocol,
    /// The address of the port; null for the VCH's addresses on networks on which ports are
    /// published by default.
    pub address: Option<IpAddr>,
    /// The port of the VCH.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// The container's addresses that the port leads to.
    pub target: Vec<IpAddr>,
    /// The subnets whose clients may use the port; empty for all clients.
    pub clients: Vec<String>,
    /// Whether the VCH chose the port.
    pub ephemeral: bool,
}

/// A document of a container.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentRow {
    /// The container's ID.
    pub container: String,
    /// The kind of the document.
    pub document: String,
    /// The document's text.
    pub text: String,
}
