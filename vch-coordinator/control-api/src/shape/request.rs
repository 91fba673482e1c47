//! Requests, with text as the user wrote it. The handlers parse it into the ledger's types, so that
//! each error names the field.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The body of `POST /v1/networks`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateNetwork {
    /// The network's name.
    pub name: String,
    /// The network's subnets. Without an IPv4 subnet the network gets one from the pools.
    pub subnets: Vec<SubnetRequest>,
    /// Whether to add an IPv6 subnet of the VCH's own ULA prefix if `subnets` has none.
    pub ipv6: bool,
    /// The segment, `dedicated` or `shared`; by default the configuration's.
    pub segment: Option<String>,
    /// The MTU of all links of the network, in bytes.
    pub mtu: Option<u32>,
    /// The DNS TTL of the network's names, in seconds; by default the configuration's.
    pub dns_ttl: Option<u32>,
    /// Whether to isolate the network from the outside: no default route, no masquerading.
    pub internal: bool,
    /// The user's labels.
    pub labels: BTreeMap<String, String>,
    /// The network's options, which are stored as given.
    pub options: BTreeMap<String, String>,
}

/// The body of `PUT /v1/networks/{network}/dns-ttl`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsTtl {
    /// The DNS TTL of the network's names, in seconds, at most 86400; absent or null for the
    /// configuration's.
    #[serde(default)]
    pub seconds: Option<u32>,
}

/// A subnet of a network to create.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubnetRequest {
    /// The subnet, `address/length`.
    pub subnet: String,
    /// The gateway; by default the subnet's first address.
    pub gateway: Option<String>,
    /// The range of automatic addresses; by default the whole subnet.
    pub range: Option<String>,
    /// Addresses that other hosts use, by name.
    pub auxiliary: BTreeMap<String, String>,
}

/// The body of `POST /v1/containers`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddContainer {
    /// The container's name.
    pub name: String,
    /// The container's host name; by default its short ID, as in Docker.
    pub hostname: Option<String>,
    /// The channel to the container's agent: `hybrid-vsock:PATH:PORT`, `chardev:PATH`, `unix`,
    /// `unix:PATH` or `vsock:CID`.
    pub channel: String,
    /// Upstream name servers for names that are not the VCH's own.
    pub dns: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// Further lines of the container's hosts file, as `name:address`.
    pub extra_hosts: Vec<String>,
    /// Ports to publish, in Docker's form:
    /// `[address:][host[-host]:]container[-container][/protocol]`.
    pub publish: Vec<String>,
    /// Ports to expose: `container[-container][/protocol]`.
    pub expose: Vec<String>,
    /// Whether to publish exposed ports too, at ports that the VCH chooses.
    pub publish_all: bool,
}

/// The body of `POST /v1/containers/{container}/ports`, which adds ports, and of `DELETE`, which
/// removes them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ports {
    /// As in [`AddContainer::publish`].
    pub publish: Vec<String>,
    /// As in [`AddContainer::expose`].
    pub expose: Vec<String>,
    /// The subnets whose clients may use the published ports, as `address/length`; empty for all
    /// clients.
    pub clients: Vec<String>,
}

/// The body of `POST /v1/containers/{container}/rename`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The container's new name.
    pub name: String,
}

/// The body of `POST /v1/containers/{container}/health`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Whether the container's health check succeeds.
    pub healthy: bool,
}

/// The body of `PUT /v1/containers/{container}/endpoints/{network}/aliases`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aliases {
    /// The complete new list of aliases.
    pub aliases: Vec<String>,
}

/// The body of `PUT /v1/containers/{container}/rate`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// The rate of what the container receives, and of what it sends, as tc(8) writes rates: `50mbit`; absent or null
    /// for no limit.
    pub rate: Option<String>,
    /// The network, by name or ID; absent or null for each of the container's networks.
    pub network: Option<String>,
}

/// The body of `POST /v1/containers/{container}/endpoints`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connect {
    /// The network's name or ID.
    pub network: String,
    /// A static IPv4 address.
    pub ip: Option<String>,
    /// A static IPv6 address.
    pub ip6: Option<String>,
    /// The MAC address; by default hashed from the endpoint's ID.
    pub mac: Option<String>,
    /// Further names of the container on this network.
    pub aliases: Vec<String>,
    /// `tap` (default) or `veth:PATH` with the path of a network namespace.
    pub attachment: Option<String>,
    /// How the agent finds the NIC: `mac` (default), `pci:PATH` or `slot:NUMBER`.
    pub nic: Option<String>,
    /// The priority of this network's gateway: the highest one is the container's default gateway.
    pub gateway_priority: i32,
    /// Names that only this container has for other containers of the network, as
    /// `container:alias`.
    pub links: Vec<String>,
    /// Whether the endpoint's names are in force only while the container is healthy.
    pub only_healthy: bool,
    /// The rate to which its traffic is limited each way, as tc(8) writes rates: `50mbit`; absent or null for no limit.
    pub rate: Option<String>,
}
