//! The rows of schema 3, frozen: they are never changed.
//!
//! A type that has not changed since is schema 4's, or the ledger's own: a change of it freezes it here first.
//! `v3.redb` is a store that the last build of schema 3 wrote; its rows come out of these types byte
//! for byte.

use super::v4::Endpoint;
use protocol::spec::Mtu;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vch_ledger::{
    AddressCursor, Container, Document, NetworkId, NetworkKind, NetworkName, PortBinding,
    RestingAddress, Subnet,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Row {
    Network(Network),
    Container(Container),
    Endpoint(Endpoint),
    RestingAddress(RestingAddress),
    AddressCursor(AddressCursor),
    PortBinding(PortBinding),
    Document(Document),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Network {
    pub id: NetworkId,
    pub name: NetworkName,
    pub kind: NetworkKind,
    pub predefined: bool,
    pub subnets: Vec<Subnet>,
    pub mtu: Option<Mtu>,
    pub internal: bool,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    pub created_ms: u64,
}
