//! Requests: text as the user wrote it. The handlers parse it into the ledger's types, so that each error names the field.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `POST /v1/networks`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateNetwork {
    /// The network's name.
    pub name: String,
    /// Its subnets; without one of IPv4 it gets one from the pools.
    pub subnets: Vec<SubnetRequest>,
    /// Give it an IPv6 subnet of the VCH's own ULA prefix where `subnets` has none.
    pub ipv6: bool,
    /// `dedicated` or `shared`; by default as the configuration says.
    pub segment: Option<String>,
    /// MTU in bytes of every link of it.
    pub mtu: Option<u32>,
    /// How long answers about its names may be kept, in seconds; by default as the configuration says.
    pub dns_ttl: Option<u32>,
    /// No way out: no default route, no masquerade.
    pub internal: bool,
    /// The user's own notes.
    pub labels: BTreeMap<String, String>,
    /// Options for what carries it, kept as given.
    pub options: BTreeMap<String, String>,
}

/// `PUT /v1/networks/{network}/dns-ttl`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsTtl {
    /// How long answers about its names may be kept, in seconds: at most 86400; absent or null for what the
    /// configuration says.
    #[serde(default)]
    pub seconds: Option<u32>,
}

/// One subnet of a network to be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubnetRequest {
    /// The subnet, `address/length`.
    pub subnet: String,
    /// The gateway; by default the subnet's first address.
    pub gateway: Option<String>,
    /// Where automatic addresses come from; by default the whole subnet.
    pub range: Option<String>,
    /// Addresses that are in use by others: name to address.
    pub auxiliary: BTreeMap<String, String>,
}

/// `POST /v1/containers`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddContainer {
    /// The container's name.
    pub name: String,
    /// Its host name; by default its short ID, as with Docker.
    pub hostname: Option<String>,
    /// The channel to its agent: `hybrid-vsock:PATH:PORT`, `chardev:PATH`, `unix`, `unix:PATH`
    /// or `vsock:CID`.
    pub channel: String,
    /// Name servers asked for it about names that are not ours.
    pub dns: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// Extra lines of its hosts file, `name:address`.
    pub extra_hosts: Vec<String>,
    /// Ports to be published, as Docker writes them:
    /// `[address:][host[-host]:]container[-container][/protocol]`.
    pub publish: Vec<String>,
    /// Ports to be exposed: `container[-container][/protocol]`.
    pub expose: Vec<String>,
    /// Publish what is exposed, too, at ports that the VCH chooses.
    pub publish_all: bool,
}

/// `POST /v1/containers/{container}/ports`: ports that are added; with `DELETE`: those that go.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ports {
    /// As in [`AddContainer::publish`].
    pub publish: Vec<String>,
    /// As in [`AddContainer::expose`].
    pub expose: Vec<String>,
    /// From where the published ones may be used, each `address/length`; empty for everywhere.
    pub clients: Vec<String>,
}

/// `POST /v1/containers/{container}/rename`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The container's new name.
    pub name: String,
}

/// `POST /v1/containers/{container}/health`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What its health check says.
    pub healthy: bool,
}

/// `PUT /v1/containers/{container}/endpoints/{network}/aliases`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aliases {
    /// All that it has from now on.
    pub aliases: Vec<String>,
}

/// `POST /v1/containers/{container}/endpoints`.
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
    /// Further names on this network.
    pub aliases: Vec<String>,
    /// `tap` (default) or `veth:PATH` with the path of a network namespace.
    pub attachment: Option<String>,
    /// By what the agent finds the NIC: `mac` (default), `pci:PATH` or `slot:NUMBER`.
    pub nic: Option<String>,
    /// Whose gateway is the container's default: the greatest first.
    pub gateway_priority: i32,
    /// Names that it alone has for other containers of the network: `container:alias`.
    pub links: Vec<String>,
    /// Its names answer only while it is healthy.
    pub only_healthy: bool,
}
