//! What the store keeps: one row an object.
//!
//! Rows travel as postcard, which is positional: variants are appended, never reordered, and a
//! changed struct needs a new schema version of the store.

mod bridge;
mod container;
mod dns_ttl;
mod document;
mod endpoint;
mod network;
mod port;
mod rate;

pub use bridge::{BridgeOptions, InterfacePrefix};
pub use container::{Channel, Container, Dns};
pub use dns_ttl::{DnsTtl, DnsTtlError};
pub use document::{Document, DocumentKind};
pub use endpoint::{Attachment, AwaitedLink, Endpoint, IFNAME, Link};
pub use network::{External, ExternalAddressing, Network, NetworkKind, SegmentKind, Subnet};
pub use port::{ContainerPort, HostPort, PortBinding, PortNumber, Protocol, Publish};
pub use rate::{Rate, RateError};

use crate::{ContainerId, EndpointId, NetworkId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Counts the transactions; a greater one is newer. Zero is before the first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Revision(pub u64);

/// One object of the state, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Row {
    /// A network.
    Network(Network),
    /// A container.
    Container(Container),
    /// A container's connection to a network.
    Endpoint(Endpoint),
    /// An address that was given back and waits before it is handed out again.
    RestingAddress(RestingAddress),
    /// Where the search for a subnet's next address goes on.
    AddressCursor(AddressCursor),
    /// A published port that is in force.
    PortBinding(PortBinding),
    /// What others keep with a container.
    Document(Document),
}

/// What identifies a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RowKey {
    /// Of a network.
    Network(NetworkId),
    /// Of a container.
    Container(ContainerId),
    /// Of an endpoint.
    Endpoint(EndpointId),
    /// Of an address at rest on a network.
    RestingAddress(NetworkId, IpAddr),
    /// Of the cursor in a network's subnet, known by its subnet address.
    AddressCursor(NetworkId, IpAddr),
    /// Of a port of the VCH.
    PortBinding(HostPort),
    /// Of a container's document.
    Document(ContainerId, DocumentKind),
}

impl Row {
    /// What identifies it.
    pub fn key(&self) -> RowKey {
        match self {
            Self::Network(row) => RowKey::Network(row.id),
            Self::Container(row) => RowKey::Container(row.id),
            Self::Endpoint(row) => RowKey::Endpoint(row.id),
            Self::RestingAddress(row) => RowKey::RestingAddress(row.network, row.address),
            Self::AddressCursor(row) => RowKey::AddressCursor(row.network, row.subnet),
            Self::PortBinding(row) => RowKey::PortBinding(row.host),
            Self::Document(row) => RowKey::Document(row.container, row.kind),
        }
    }
}

/// An address that was given back and waits before it is handed out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestingAddress {
    /// On which network.
    pub network: NetworkId,
    /// Which address.
    pub address: IpAddr,
    /// The transaction that gave it back: the lowest is reused first.
    pub since: Revision,
}

/// Where the search for a subnet's next address goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressCursor {
    /// Of which network.
    pub network: NetworkId,
    /// Of which of its subnets: the subnet's own address.
    pub subnet: IpAddr,
    /// The first address to be looked at.
    pub next: IpAddr,
}

/// What became of one row in a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which row.
    pub key: RowKey,
    /// What it was; `None` for a new one.
    pub before: Option<Row>,
    /// What it is; `None` for one that is gone.
    pub after: Option<Row>,
}
