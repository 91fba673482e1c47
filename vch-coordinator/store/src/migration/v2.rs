//! The rows of schema 2, frozen: they are never changed.
//!
//! A type that has not changed since is schema 3's, or the ledger's own: a change of it freezes it here first.
//! `v2.redb` is a store that the last release of schema 2 wrote; its rows come out of these types byte
//! for byte.

use super::v3::Network;
use ipnet::IpNet;
use protocol::spec::{
    Generation, HostEntry, Hostname, Incarnation, InterfaceName, MacAddress, NicMatch,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{
    AddressCursor, Attachment, Channel, ContainerId, ContainerName, Dns, Document, EndpointId,
    Link, NetworkId, PortBinding, PortNumber, RestingAddress,
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
pub(super) struct Container {
    pub id: ContainerId,
    pub name: ContainerName,
    pub hostname: Hostname,
    pub channel: Channel,
    pub dns: Dns,
    pub extra_hosts: Vec<HostEntry>,
    pub ports: Vec<ContainerPort>,
    pub publish_all: bool,
    pub chosen: BTreeMap<(PortNumber, Option<IpAddr>), u16>,
    pub unhealthy: bool,
    pub incarnation: Option<Incarnation>,
    pub generation: Generation,
    pub created_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ContainerPort {
    pub number: PortNumber,
    pub publish: Option<Publish>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Publish {
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
    pub clients: Vec<IpNet>,
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
    pub gateway_priority: i32,
    pub links: Vec<Link>,
    pub only_healthy: bool,
    pub opened: Vec<PortNumber>,
}
