//! The rows of schema 1, frozen: they are never changed.
//!
//! Ids, names, addresses and the NIC's match are the ledger's and the protocol's own: each is a byte
//! array, a text or a number, or frozen by the protocol. `v1.redb` is a store that the last release
//! of schema 1 wrote; its rows come out of these types byte for byte.

use ipnet::IpNet;
use protocol::{
    spec::{
        DomainName, Generation, HostEntry, Hostname, Incarnation, InterfaceName, MacAddress, Mtu,
        NicMatch,
    },
    transport::PrivilegedPort,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{
    ContainerId, ContainerName, EndpointId, NamespacePath, NetworkId, NetworkName, Revision,
    SocketPath,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Row {
    Network(Network),
    Container(Container),
    Endpoint(Endpoint),
    RestingAddress(RestingAddress),
    AddressCursor(AddressCursor),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum NetworkKind {
    Bridge,
    None,
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subnet {
    pub net: IpNet,
    pub gateway: IpAddr,
    pub range: Option<IpNet>,
    pub auxiliary: BTreeMap<String, IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Container {
    pub id: ContainerId,
    pub name: ContainerName,
    pub hostname: Hostname,
    pub channel: Channel,
    pub dns: Dns,
    pub extra_hosts: Vec<HostEntry>,
    pub incarnation: Option<Incarnation>,
    pub generation: Generation,
    pub created_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dns {
    pub servers: Vec<IpAddr>,
    pub search: Vec<DomainName>,
    pub options: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Channel {
    HybridVsock {
        path: SocketPath,
        port: PrivilegedPort,
    },
    Chardev {
        path: SocketPath,
    },
    Unix {
        path: Option<SocketPath>,
    },
    Vsock {
        cid: u32,
    },
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
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Attachment {
    Tap,
    Veth { namespace: NamespacePath },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RestingAddress {
    pub network: NetworkId,
    pub address: IpAddr,
    pub since: Revision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AddressCursor {
    pub network: NetworkId,
    pub subnet: IpAddr,
    pub next: IpAddr,
}
