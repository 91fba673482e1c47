//! The rows of schema 4, frozen: they are never changed.
//!
//! A type that has not changed since is the ledger's own: a change of it freezes it here first.
//! `v4.redb` is a store that the last build of schema 4 wrote; its rows come out of these types byte
//! for byte.

use ipnet::IpNet;
use protocol::spec::{Hostname, InterfaceName, MacAddress, NicMatch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vch_ledger::{
    AddressCursor, Attachment, AwaitedLink, Container, ContainerId, Document, EndpointId, Link,
    Network, NetworkId, PortBinding, PortNumber, RestingAddress,
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
pub(super) struct Endpoint {
    pub id: EndpointId,
    pub container: ContainerId,
    pub network: NetworkId,
    pub addresses: Vec<IpNet>,
    pub mac: MacAddress,
    pub aliases: Vec<Hostname>,
    pub names: Vec<Hostname>,
    pub pointer: Hostname,
    pub interface: InterfaceName,
    pub nic: NicMatch,
    pub attachment: Attachment,
    pub sysctls: BTreeMap<String, String>,
    pub gateway_priority: i32,
    pub links: Vec<Link>,
    pub only_healthy: bool,
    pub opened: Vec<PortNumber>,
    pub awaited_links: Vec<AwaitedLink>,
}
