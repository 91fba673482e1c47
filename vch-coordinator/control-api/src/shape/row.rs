//! The stream of changes: transactions, each with the rows that it changed. `vchctl` prints the lines as they come, so
//! that these types are only written.

use super::{External, NetworkKind, Protocol, RowKind, Segment};
use ipnet::IpNet;
use serde::Serialize;
use std::{collections::BTreeMap, net::IpAddr};

/// One line of `GET /v1/changes?from=N`: a transaction.
#[derive(Clone, Debug, Serialize)]
pub struct Transaction {
    /// Its number.
    pub revision: u64,
    /// When it was decided, milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// What became of which rows; no row twice.
    pub changes: Vec<Change>,
}

/// What became of one row.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// What the row is.
    pub kind: RowKind,
    /// What identifies the row among those of its kind.
    pub key: String,
    /// What it was; null for a new one.
    pub before: Option<Row>,
    /// What it is; null for one that is gone.
    pub after: Option<Row>,
}

/// A row of the ledger, every field in words.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// A network.
    Network(Box<NetworkRow>),
    /// A container.
    Container(Box<ContainerRow>),
    /// A container's endpoint on a network.
    Endpoint(Box<EndpointRow>),
    /// An address that was given back.
    RestingAddress(RestingAddressRow),
    /// Where the search for a subnet's next address goes on.
    AddressCursor(AddressCursorRow),
    /// A published port that is in force.
    PortBinding(PortBindingRow),
    /// A text that is kept with a container.
    Document(DocumentRow),
}

/// A network.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkRow {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: NetworkKind,
    /// What carries it; null for what is no bridge network.
    pub segment: Option<Segment>,
    /// The VCH's link to an external network.
    pub interface: Option<String>,
    /// What the configuration says of an external network.
    pub external: Option<External>,
    /// Whether the VCH made it itself.
    pub predefined: bool,
    /// Its subnets.
    pub subnets: Vec<SubnetRow>,
    /// MTU in bytes.
    pub mtu: Option<u32>,
    /// How long answers about its names may be kept, in seconds.
    pub dns_ttl: Option<u32>,
    /// Whether it has no way out.
    pub internal: bool,
    /// The user's own notes.
    pub labels: BTreeMap<String, String>,
    /// Options for what carries it.
    pub options: BTreeMap<String, String>,
    /// When it was made, milliseconds since 1970 (UTC).
    pub created_ms: u64,
}

/// One subnet of a network.
#[derive(Clone, Debug, Serialize)]
pub struct SubnetRow {
    /// `address/length`.
    pub subnet: IpNet,
    /// The next hop of its containers' default route.
    pub gateway: Option<IpAddr>,
    /// The VCH's own address in it.
    pub vch: Option<IpAddr>,
    /// Where automatic addresses come from; empty for the whole subnet.
    pub ranges: Vec<String>,
    /// Addresses that are never handed out, by name.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

/// A container.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerRow {
    /// Its name.
    pub name: String,
    /// Its host name.
    pub hostname: String,
    /// The channel to its agent.
    pub channel: String,
    /// Name servers asked for it about names that are not the VCH's.
    pub dns: Vec<IpAddr>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// Extra lines of its hosts file: addresses by name.
    pub extra_hosts: BTreeMap<String, Vec<String>>,
    /// The ports that it exposes and publishes, as they are written in a request.
    pub ports: Vec<String>,
    /// Whether what it exposes is published, too.
    pub publish_all: bool,
    /// Whether its health check fails.
    pub unhealthy: bool,
    /// The present life of its VM; null before the first start and after a stop.
    pub incarnation: Option<String>,
    /// Number of its newest spec.
    pub generation: u64,
    /// When it was added, milliseconds since 1970 (UTC).
    pub created_ms: u64,
}

/// A container's endpoint on a network.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointRow {
    /// The container's ID.
    pub container: String,
    /// The network's ID.
    pub network: String,
    /// Its addresses, each `address/length`.
    pub addresses: Vec<String>,
    /// Its MAC address.
    pub mac: String,
    /// Further names that were asked for.
    pub aliases: Vec<String>,
    /// All names that answer on this network.
    pub names: Vec<String>,
    /// The name that its addresses lead back to.
    pub pointer: String,
    /// The interface's name in the guest.
    pub interface: String,
    /// `tap`, or `veth:PATH` with the path of a network namespace.
    pub attachment: String,
    /// Whose gateway is the container's default: the greatest first.
    pub gateway_priority: i32,
    /// Names that it alone has for other containers: IDs by name.
    pub links: BTreeMap<String, String>,
    /// Whether its names answer only while it is healthy.
    pub only_healthy: bool,
    /// The ports that are open to an external network.
    pub opened: Vec<String>,
}

/// An address that was given back and waits before it is handed out again.
#[derive(Clone, Debug, Serialize)]
pub struct RestingAddressRow {
    /// The network's ID.
    pub network: String,
    /// The address.
    pub address: IpAddr,
    /// Number of the transaction that gave it back.
    pub since: u64,
}

/// Where the search for a subnet's next address goes on.
#[derive(Clone, Debug, Serialize)]
pub struct AddressCursorRow {
    /// The network's ID.
    pub network: String,
    /// The subnet's own address.
    pub subnet: IpAddr,
    /// The first address to be looked at.
    pub next: IpAddr,
}

/// A published port that is in force.
#[derive(Clone, Debug, Serialize)]
pub struct PortBindingRow {
    /// The container's ID.
    pub container: String,
    /// The ID of the endpoint that it leads to.
    pub endpoint: String,
    /// The protocol of both ports.
    pub protocol: Protocol,
    /// Where it answers; null for the VCH's addresses on networks that are the default for published ports.
    pub address: Option<IpAddr>,
    /// The port there.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// The container's addresses that it leads to.
    pub target: Vec<IpAddr>,
    /// From where it may be used; empty for everywhere.
    pub clients: Vec<String>,
    /// Whether the VCH chose the port.
    pub ephemeral: bool,
}

/// A text that is kept with a container.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentRow {
    /// The container's ID.
    pub container: String,
    /// Which of its documents.
    pub document: String,
    /// What it says.
    pub text: String,
}
