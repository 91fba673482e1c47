//! Rows: the ledger's state as the store keeps it, one row an object.
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

pub use bridge::{BridgeOptions, InterfacePrefix};
pub use container::{Channel, Container, Dns};
pub use dns_ttl::{DnsTtl, DnsTtlError};
pub use document::{Document, DocumentKind};
pub use endpoint::{Attachment, AwaitedLink, Endpoint, IFNAME, Link};
pub use network::{External, ExternalAddressing, Network, NetworkKind, SegmentKind, Subnet};
pub use port::{ContainerPort, HostPort, PortBinding, PortNumber, Protocol, Publish};

use crate::{ContainerId, EndpointId, NetworkId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The number of a transaction; a greater one is newer. Zero is before the first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Revision(pub u64);

/// An object of the ledger's state, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Row {
    /// A network.
    Network(Network),
    /// A container.
    Container(Container),
    /// A container's connection to a network.
    Endpoint(Endpoint),
    /// An address that was released, and waits before it is given out again.
    RestingAddress(RestingAddress),
    /// The position at which the search for a subnet's next address begins.
    AddressCursor(AddressCursor),
    /// A published port that is in force.
    PortBinding(PortBinding),
    /// A document that belongs to a container.
    Document(Document),
}

/// The key of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RowKey {
    /// The key of a network.
    Network(NetworkId),
    /// The key of a container.
    Container(ContainerId),
    /// The key of an endpoint.
    Endpoint(EndpointId),
    /// The key of a resting address of a network.
    RestingAddress(NetworkId, IpAddr),
    /// The key of an address cursor: the network, and its subnet's own address.
    AddressCursor(NetworkId, IpAddr),
    /// The key of a binding: the port of the VCH.
    PortBinding(HostPort),
    /// The key of a container's document of one kind.
    Document(ContainerId, DocumentKind),
}

impl Row {
    /// Returns the row's key.
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

/// An address that was released, and waits before it is given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestingAddress {
    /// The network.
    pub network: NetworkId,
    /// The address.
    pub address: IpAddr,
    /// The transaction that released it; the lowest is reused first.
    pub since: Revision,
}

/// The position at which the search for a subnet's next address begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressCursor {
    /// The network.
    pub network: NetworkId,
    /// The subnet's own address, which identifies it.
    pub subnet: IpAddr,
    /// The first address to try.
    pub next: IpAddr,
}

/// The change of one row in a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The row's key.
    pub key: RowKey,
    /// The row before; `None` if it is new.
    pub before: Option<Row>,
    /// The row after; `None` if it is removed.
    pub after: Option<Row>,
}
