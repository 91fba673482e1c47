//! The ledger: decides about networks, containers, addresses and names of the VCH, the host of the containers' VMs.
//! Everything else on the VCH follows its decisions.
//!
//! ```text
//!   Command ──► decide (pure, against the state) ──► Transaction { revision, changes, answer }
//!                        │                                   │            │
//!                     Refusal                         the store writes,   the caller is told
//!                (nothing has changed)                then effects follow
//! ```
//!
//! Invariants:
//! - Nothing here is asynchronous or does I/O. Time and random bytes are inputs (see [`Environment`]).
//! - The same commands in the same environment make the same transactions.
//! - Only a decided transaction changes the state. A state that is loaded from its rows equals the state that was
//!   stored.
//! - A decision costs O(log n) of what is in use, plus the size of its change.
//! - A container's network specification is derived from its own rows alone: to connect one container changes no other
//!   container's specification.
//!
//! A container's endpoints, addresses and requests last until they are removed. Its DNS names and published ports are
//! *in force* (names are answered, ports lead to the container) from `StartContainer` to `StopContainer`. What is in
//! force is stored as rows too, so that no other package has to derive it.

mod command;
mod decide;
mod derived;
pub mod desired;
mod environment;
mod id;
mod ipam;
mod ledger;
mod limits;
mod load;
mod lookup;
mod name;
mod published;
mod refusal;
mod row;
mod settings;
mod spec;
mod state;

pub use command::{
    AddContainer, Answer, Command, Configuration, Connect, CreateNetwork, SubnetRequest,
    Transaction,
};
pub use decide::bounded_texts;
pub use environment::Environment;
pub use id::{
    ContainerId, ContainerRef, EndpointId, Id, IdError, NetworkId, NetworkRef, Reference, VchId,
};
pub use ipam::AddressRange;
pub use ledger::Ledger;
pub use limits::{
    MAX_ALIASES, MAX_AUXILIARY, MAX_CLIENTS, MAX_DNS_SERVERS, MAX_DOCUMENT, MAX_ENDPOINTS,
    MAX_EXTRA_HOSTS, MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_LABELS, MAX_LINKS, MAX_NETWORK_DOCUMENT,
    MAX_PORTS, MAX_SUBNETS, MAX_SYSCTLS, MAX_TOGETHER, MAX_UTS_NAME,
};
pub use load::{Contradiction, LoadError};
pub use name::{ContainerName, MAX_NAME, NamespacePath, NetworkName, SocketPath};
pub use published::{pointer_name, published_names};
pub use refusal::{ExternalRefusal, PortRefusal, Refusal, RefusalKind};
pub use row::{
    AddressCursor, Attachment, AwaitedLink, BridgeOptions, Change, Channel, Container,
    ContainerPort, Dns, DnsTtl, DnsTtlError, Document, DocumentKind, Endpoint, External,
    ExternalAddressing, HostPort, IFNAME, InterfacePrefix, Link, Network, NetworkKind, PortBinding,
    PortNumber, Protocol, Publish, Rate, RateError, RestingAddress, Revision, Row, RowKey,
    SegmentKind, Subnet,
};
pub use settings::{
    DEFAULT_EPHEMERAL, DefaultBridge, ExternalNetwork, Grants, Limits, Pool, PoolError, Settings,
    default_pools, unusable,
};
