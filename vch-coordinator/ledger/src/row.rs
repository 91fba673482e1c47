//! Rows: the objects of the ledger's state, as the store keeps them on disk; one row for each object.
//!
//! Rows are encoded as postcard, which identifies variants and fields by position: variants are appended and never
//! reordered, and a changed struct needs a new schema version of the store.

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

/// The number of a transaction; a greater number is newer. 0 stands for the state before the first transaction.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Revision(pub u64);

/// An object of the ledger's state, as the store keeps it on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Row {
    /// A network.
    Network(Network),
    /// A container.
    Container(Container),
    /// A container's connection to a network.
    Endpoint(Endpoint),
    /// An address that an endpoint released. The VCH does not choose it again while other addresses are free.
    RestingAddress(RestingAddress),
    /// The position in a subnet from which the VCH searches the next free address.
    AddressCursor(AddressCursor),
    /// A port of the VCH that leads to a running container's port.
    PortBinding(PortBinding),
    /// A text that another package stores with a container.
    Document(Document),
}

/// The key that identifies a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RowKey {
    /// The key of a network.
    Network(NetworkId),
    /// The key of a container.
    Container(ContainerId),
    /// The key of an endpoint.
    Endpoint(EndpointId),
    /// The key of a resting (recently released) address: the network, and the address.
    RestingAddress(NetworkId, IpAddr),
    /// The key of a subnet's address cursor: the network, and the subnet's own address.
    AddressCursor(NetworkId, IpAddr),
    /// The key of a port binding: the port of the VCH.
    PortBinding(HostPort),
    /// The key of a document: the container, and the kind of the document.
    Document(ContainerId, DocumentKind),
}

impl Row {
    /// Returns the key that identifies the row.
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

/// An address that an endpoint released. The VCH does not choose it again while other addresses are free, so that a new
/// container is not taken for the previous one at that address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestingAddress {
    /// The network that the address is on.
    pub network: NetworkId,
    /// The released address.
    pub address: IpAddr,
    /// The transaction that released the address. If no other address is free, the one with the lowest number is
    /// chosen.
    pub since: Revision,
}

/// The position in a subnet from which the VCH searches the next free address. It moves on with each chosen address, so
/// that a released address is not chosen again at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressCursor {
    /// The network that the subnet belongs to.
    pub network: NetworkId,
    /// The subnet's own address (the first one), which identifies the subnet.
    pub subnet: IpAddr,
    /// The first address to try.
    pub next: IpAddr,
}

/// The change of one row (object) by a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key of the row.
    pub key: RowKey,
    /// The row before the change; `None` if the row is new.
    pub before: Option<Row>,
    /// The row after the change; `None` if the row is removed.
    pub after: Option<Row>,
}
