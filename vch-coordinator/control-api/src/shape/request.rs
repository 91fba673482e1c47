//! The bodies of requests, with text as the user wrote it. The handlers parse it into the ledger's types, so that
//! each error names its field.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The body of `POST /v1/networks`: a bridge network to create.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateNetwork {
    /// The network's name: letters, digits, `_`, `.` and `-`.
    pub name: String,
    /// The network's subnets. Without an IPv4 subnet the network gets one from the pools.
    pub subnets: Vec<SubnetRequest>,
    /// Whether to add an IPv6 subnet of the VCH's own prefix, if `subnets` has none.
    pub ipv6: bool,
    /// Whether the network gets a bridge of its own (`dedicated`) or shares one with others (`shared`); absent for
    /// the configuration's default.
    pub segment: Option<String>,
    /// The MTU of all links of the network, in bytes; absent for the kernel's default.
    pub mtu: Option<u32>,
    /// How long DNS clients may cache the names on this network, in seconds; absent for the configuration's value.
    pub dns_ttl: Option<u32>,
    /// Whether to isolate the network from the outside: no default route, no masquerading.
    pub internal: bool,
    /// The user's labels, which the VCH only stores.
    pub labels: BTreeMap<String, String>,
    /// The network's options by name, such as `com.docker.network.bridge.enable_icc`.
    pub options: BTreeMap<String, String>,
}

/// The body of `PUT /v1/networks/{network}/dns-ttl`: how long DNS clients may cache the names on a network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsTtl {
    /// The time in seconds, at most 86,400; absent or null for the configuration's value.
    #[serde(default)]
    pub seconds: Option<u32>,
}

/// A subnet of a network to create, in [`CreateNetwork::subnets`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubnetRequest {
    /// The subnet, as `address/length`, such as `10.9.0.0/24`.
    pub subnet: String,
    /// The gateway's address; absent for the subnet's first address.
    pub gateway: Option<String>,
    /// The part of the subnet that automatic addresses are chosen from; absent for the whole subnet.
    pub range: Option<String>,
    /// Addresses that containers do not get, since other hosts use them, by a name that the user chose.
    pub auxiliary: BTreeMap<String, String>,
}

/// The body of `POST /v1/containers`: a container whose VM another program than the coordinator starts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddContainer {
    /// The container's name: letters, digits, `_`, `.` and `-`.
    pub name: String,
    /// The container's host name; absent for its short ID, as in Docker.
    pub hostname: Option<String>,
    /// The channel between the VCH and the container's agent: `hybrid-vsock:PATH:PORT`, `chardev:PATH`, `unix`,
    /// `unix:PATH` or `vsock:CID`.
    pub channel: String,
    /// The IP addresses of DNS servers for names that are not the VCH's own; empty for the VCH's servers.
    pub dns: Vec<String>,
    /// The search domains of the container's resolv.conf(5); empty for the VCH's.
    pub dns_search: Vec<String>,
    /// Options of the container's resolv.conf(5), such as `ndots:1`.
    pub dns_options: Vec<String>,
    /// Further lines of the container's hosts file, as `name:address`.
    pub extra_hosts: Vec<String>,
    /// Ports to publish, in Docker's form: `[address:][host[-host]:]container[-container][/protocol]`.
    pub publish: Vec<String>,
    /// Ports to expose: `container[-container][/protocol]`. On external networks they are opened.
    pub expose: Vec<String>,
    /// Whether to publish the exposed ports too, at ports that the VCH chooses.
    pub publish_all: bool,
}

/// The ports of a container that `POST /v1/containers/{container}/ports` adds, or that `DELETE` of the same path
/// removes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ports {
    /// Published ports, as in [`AddContainer::publish`].
    pub publish: Vec<String>,
    /// Exposed ports, as in [`AddContainer::expose`].
    pub expose: Vec<String>,
    /// The subnets whose clients may use the published ports, as `address/length`; empty for all
    /// clients.
    pub clients: Vec<String>,
}

/// The body of `POST /v1/containers/{container}/rename`: a new name for the container.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The container's new name.
    pub name: String,
}

/// The body of `POST /v1/containers/{container}/health`: the result of the container's health check.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Whether the health check succeeds.
    pub healthy: bool,
}

/// The body of `PUT /v1/containers/{container}/endpoints/{network}/aliases`: the additional DNS names of a
/// container on a network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aliases {
    /// The complete new list of the container's additional DNS names on the network; empty to remove all.
    pub aliases: Vec<String>,
}

/// The body of `PUT /v1/containers/{container}/rate`: a limit of the container's traffic.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// The limit of what the container receives, and of what it sends, in the units of tc(8), such as `50mbit`;
    /// absent or null for no limit.
    pub rate: Option<String>,
    /// The network, by name or ID, whose endpoint is limited; absent or null for each of the container's networks.
    pub network: Option<String>,
}

/// The body of `POST /v1/containers/{container}/endpoints`: a network to connect the container to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connect {
    /// The network, by name or ID.
    pub network: String,
    /// The container's IPv4 address; absent for an automatic one.
    pub ip: Option<String>,
    /// The container's IPv6 address; absent for an automatic one.
    pub ip6: Option<String>,
    /// The MAC address; absent for one that is derived from the endpoint's ID.
    pub mac: Option<String>,
    /// Additional DNS names of the container on this network.
    pub aliases: Vec<String>,
    /// The VCH's end of the connection: `tap` for a VM, or `veth:PATH` with the path of a network namespace. Absent
    /// for `tap`.
    pub attachment: Option<String>,
    /// How the agent finds the NIC in the VM: `mac` (by its MAC address), `pci:PATH` (by its path on the PCI bus)
    /// or `slot:NUMBER` (by its PCI slot). Absent for `mac`.
    pub nic: Option<String>,
    /// The priority of this network's gateway: the gateway with the highest one is the container's default gateway.
    pub gateway_priority: i32,
    /// DNS names that only this container has for other containers on the network, as `container:alias`.
    pub links: Vec<String>,
    /// Whether the endpoint's names are in force only while the container is healthy.
    pub only_healthy: bool,
    /// The limit of the endpoint's traffic in each direction, in the units of tc(8), such as `50mbit`; absent or
    /// null for no limit.
    pub rate: Option<String>,
}
