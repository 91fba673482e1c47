//! The bodies of requests, with text as the user wrote it. The handlers parse it into the ledger's types, so that
//! each error names its field.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The body of `POST /v1/networks`: a bridge network to create.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateNetwork {
    /// The network's name, unique on the VCH: at most 128 characters, a letter or digit, then letters, digits, `_`, `.`
    /// and `-`.
    pub name: String,
    /// The network's subnets. If none of them is an IPv4 subnet, the VCH adds a free one from the address pools of its
    /// configuration.
    pub subnets: Vec<SubnetRequest>,
    /// Whether the network gets an IPv6 subnet that the VCH chooses, if `subnets` has none: from the address pools, or
    /// else from the VCH's own unique local prefix. If false, it only has the IPv6 subnets in `subnets`.
    pub ipv6: bool,
    /// Whether the network gets a bridge of its own (`dedicated`) or shares one with others (`shared`); absent for
    /// the configuration's default.
    pub segment: Option<String>,
    /// The MTU of all links of the network, in bytes, 68 to 65,535; absent for the kernel's default.
    pub mtu: Option<u32>,
    /// How long DNS clients may cache answers about the names on this network, in seconds, at most 86,400; absent for
    /// the value in the configuration.
    pub dns_ttl: Option<u32>,
    /// Whether the network is isolated from the outside: its containers have no default route, no masquerading and no
    /// answers for names outside the VCH (Docker's `--internal`).
    pub internal: bool,
    /// The user's labels, which the VCH only stores.
    pub labels: BTreeMap<String, String>,
    /// The network's options by Docker's names, such as `com.docker.network.bridge.enable_icc`. The VCH stores all of
    /// them and shows them again; those that it does not know have no effect.
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
    /// The VCH's own address in the subnet, which is the containers' gateway; absent for the first address that is not
    /// auxiliary.
    pub gateway: Option<String>,
    /// The part of the subnet, as `address/length`, from which the VCH chooses addresses for containers; absent for the
    /// whole subnet.
    pub range: Option<String>,
    /// Addresses that no container gets, for example because other hosts use them: each under a name that the user
    /// chose.
    pub auxiliary: BTreeMap<String, String>,
}

/// The body of `POST /v1/containers`: a container whose VM another program than the coordinator starts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddContainer {
    /// The container's name, unique on the VCH: at least two characters, at most 128: a letter or digit, then letters,
    /// digits, `_`, `.` and `-`.
    pub name: String,
    /// The host name in the container's VM; absent for the first 12 digits of the container's ID, as in Docker.
    pub hostname: Option<String>,
    /// The channel between the VCH and the container's agent. The coordinator connects to the Unix socket of a vsock
    /// device (`hybrid-vsock:PATH:PORT`) or of a serial line (`chardev:PATH`); or the agent connects to a Unix socket
    /// of the coordinator (`unix:PATH`, or `unix` for a path of its choice) or by native vsock (`vsock:CID`).
    pub channel: String,
    /// The IP addresses of the DNS servers to which the VCH forwards this container's queries for names that are not
    /// the VCH's own; empty for the servers of the VCH's configuration. The first 8 are used.
    pub dns: Vec<String>,
    /// The search domains of the container's resolv.conf(5); empty, or the single domain `.`, for none.
    pub dns_search: Vec<String>,
    /// Options of the container's resolv.conf(5), such as `ndots:1`. The VCH adds `ndots:0` if none of them is an
    /// `ndots`.
    pub dns_options: Vec<String>,
    /// Further lines of the container's hosts file, as `name:address`, such as `db:192.0.2.7`.
    pub extra_hosts: Vec<String>,
    /// Ports to publish, in Docker's form, where `host` is a port of the VCH, and `container` one of the container:
    /// `[address:][host[-host]:]container[-container][/protocol]`. Without `host` the VCH chooses the port, without
    /// `protocol` it is TCP.
    pub publish: Vec<String>,
    /// Ports of the container to expose: `container[-container][/protocol]`, TCP without `protocol`. On an external
    /// network of level `published`, clients reach them at the container's own address; on a bridge network they are
    /// only published by `publish_all`.
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
    /// The subnets whose clients may use the ports in `publish`, as `address/length`; empty for all clients. Ignored
    /// for a removal.
    pub clients: Vec<String>,
}

/// The body of `POST /v1/containers/{container}/rename`: a new name for the container.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The container's new name, unique on the VCH: at least two characters, at most 128: a letter or digit, then
    /// letters, digits, `_`, `.` and `-`.
    pub name: String,
}

/// The body of `POST /v1/containers/{container}/health`: the result of the container's health check.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Whether the health check succeeds. If false, DNS no longer answers for the container on networks to which it was
    /// connected with `only_healthy`.
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
    /// The limit of what the container receives, and likewise of what it sends, in bits of Ethernet frames a second and
    /// the units of tc(8), such as `50mbit`, from `128kbit` to `100gbit`; absent or null for no limit. It holds for
    /// each network separately.
    pub rate: Option<String>,
    /// The network, by name or ID, on which the container is limited; absent or null for each network that it is on.
    pub network: Option<String>,
}

/// The body of `POST /v1/containers/{container}/endpoints`: a network to connect the container to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connect {
    /// The network to connect to, by its name, its ID or a unique prefix of its ID.
    pub network: String,
    /// The container's IPv4 address on the network; absent for one that the VCH chooses, if the network has an IPv4
    /// subnet.
    pub ip: Option<String>,
    /// The container's IPv6 address on the network; absent for one that the VCH chooses, if the network has an IPv6
    /// subnet.
    pub ip6: Option<String>,
    /// The MAC address of the container's interface on the network; absent for one that is derived from the endpoint's
    /// random ID.
    pub mac: Option<String>,
    /// Additional DNS names by which the other containers of this network find the container. Several containers may
    /// have the same.
    pub aliases: Vec<String>,
    /// The VCH's end of the connection: `tap` for a VM, or `veth:PATH` with the path of a network namespace. Absent
    /// for `tap`.
    pub attachment: Option<String>,
    /// How the agent finds the NIC in the VM: `mac` (by its MAC address), `pci:PATH` (by its path on the PCI bus, as
    /// `pci:02.0/00.0`: device and function of the bridge, then of the NIC) or `slot:NUMBER` (by its PCI slot). Absent
    /// for `mac`.
    pub nic: Option<String>,
    /// The priority of this network's gateway, 0 by default: the gateway with the highest one is the container's
    /// default gateway. Of equal ones, a network with a way out precedes an internal one, then two IP versions precede
    /// one, then the name decides.
    pub gateway_priority: i32,
    /// DNS names that only this container can resolve, for other containers on the network, as `container:alias`
    /// (Docker's `--link`): the container's name or ID, and the DNS name for it.
    pub links: Vec<String>,
    /// Whether DNS answers for the container on this network only while its health check does not fail. If false, it
    /// answers whenever the container runs.
    pub only_healthy: bool,
    /// The limit of what the container receives by this network, and likewise of what it sends, in bits of Ethernet
    /// frames a second and the units of tc(8), such as `50mbit`, from `128kbit` to `100gbit`; absent or null for no
    /// limit.
    pub rate: Option<String>,
}
