//! Networks as `docker network inspect` and `docker network ls` show them.

use crate::{
    Version, gates,
    networks::{
        ipam::IpamConfig,
        options::{
            ATTACHABLE, DNS_TTL, HOST_BINDING, ICC, IPAM_OPTIONS, MASQUERADE, MTU, NetworkOptions,
        },
    },
    time,
};
use ipnet::IpNet;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use vch_ledger::{Endpoint, Ledger, Network, NetworkKind, NetworkRef, Subnet, desired::segment_of};

/// The kernel's default for Ethernet.
const ETHERNET_MTU: &str = "1500";

/// A network as Docker's responses show it. The fields are in dockerd's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSummary {
    /// The network's name.
    pub name: String,
    /// The network's ID: 64 hexadecimal digits.
    pub id: String,
    /// When the network was created, in RFC 3339.
    pub created: String,
    /// `external` for a network whose link the VCH's configuration names, otherwise `local`.
    pub scope: &'static str,
    /// `bridge`, or `null` for the network `none` and for configuration-only networks.
    pub driver: &'static str,
    /// Whether the network has IPv4 subnets; also true for the network `none`, as in dockerd. `None` (the key is left
    /// out) up to API 1.47.
    #[serde(rename = "EnableIPv4", skip_serializing_if = "Option::is_none")]
    pub enable_ipv4: Option<bool>,
    /// Whether the network has IPv6 subnets.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// The network's subnets.
    #[serde(rename = "IPAM")]
    pub ipam: IpamResponse,
    /// Whether the network is isolated from the outside (`docker network create --internal`): without a default route,
    /// masquerading and names of the outside.
    pub internal: bool,
    /// Whether the request that created the network set `Attachable`. Without effect.
    pub attachable: bool,
    /// Whether the network is Swarm's ingress network. Always false.
    pub ingress: bool,
    /// The configuration-only network that the network takes its configuration from.
    pub config_from: ConfigFrom,
    /// Whether the network is configuration-only: other networks take their configuration from it, and it carries
    /// no containers.
    pub config_only: bool,
    /// The endpoints of the running containers on the network, by container ID. Empty in lists since API 1.28.
    pub containers: BTreeMap<String, EndpointResponse>,
    /// The network's options by name: the client's, with the MTU and the DNS TTL that are set, and for the default
    /// bridge those that dockerd shows for its own.
    pub options: BTreeMap<String, String>,
    /// The network's labels.
    pub labels: BTreeMap<String, String>,
}

/// The address management of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IpamResponse {
    /// The driver. Always `default`.
    pub driver: &'static str,
    /// The options that the client set. If it set none: `None`, shown as null, or empty for an external network.
    pub options: Option<BTreeMap<String, String>>,
    /// The subnets, IPv4 ones first. `None`, shown as null, for the network `none`, which has no addresses.
    pub config: Option<Vec<IpamConfig>>,
}

/// The configuration-only network that a network takes its configuration from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfigFrom {
    /// The name of that network; empty for a network with a configuration of its own.
    pub network: String,
}

/// The endpoint of a running container on a network: its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointResponse {
    /// The container's name.
    pub name: String,
    /// The endpoint's ID: 64 hexadecimal digits.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The MAC address of the container's interface.
    pub mac_address: String,
    /// The IPv4 address with its prefix length, such as `172.17.0.2/16`; empty without one.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// The IPv6 address with its prefix length; empty without one.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// Returns the driver of a network as Docker shows it: `null` for the network `none` and configuration-only
/// networks, otherwise `bridge`. An external network also has `bridge`; its [`scope`] differs.
pub fn driver(network: &Network) -> &'static str {
    match network.kind {
        NetworkKind::Bridge(_) | NetworkKind::External(_) => "bridge",
        NetworkKind::None | NetworkKind::Configuration(_) => "null",
    }
}

/// Returns the scope of a network as Docker shows it: `external` for a network whose link the VCH's configuration
/// names, otherwise `local`.
pub fn scope(network: &Network) -> &'static str {
    match network.kind {
        NetworkKind::External(_) => "external",
        NetworkKind::Bridge(_) | NetworkKind::None | NetworkKind::Configuration(_) => "local",
    }
}

impl NetworkSummary {
    /// Returns a network without its containers, for a client of an API version. `ledger` must be the one that has
    /// the network.
    pub fn bare(ledger: &Ledger, network: &Network, version: Version) -> Self {
        let kept = NetworkOptions::of(network);
        let has = |v4| network.subnets.iter().any(|subnet| subnet.is_v4() == v4);
        let ipam_options = kept
            .get(IPAM_OPTIONS)
            .and_then(|text| serde_json::from_str(text).ok());
        // The VCH's configuration creates these like a request without options.
        let external = matches!(network.kind, NetworkKind::External(_));
        let ipam_options = ipam_options.or_else(|| external.then(BTreeMap::new));
        Self {
            name: network.name.to_string(),
            id: network.id.to_string(),
            created: time::rfc3339(Duration::from_millis(network.created_ms)),
            scope: scope(network),
            driver: driver(network),
            // In dockerd, `none` has both families.
            enable_ipv4: gates::NETWORK_IPV4
                .then(version, has(true) || network.kind == NetworkKind::None),
            enable_ipv6: has(false),
            ipam: IpamResponse {
                driver: "default",
                options: ipam_options,
                config: (network.kind != NetworkKind::None).then(|| configs(network)),
            },
            internal: network.internal,
            attachable: kept.get(ATTACHABLE).is_some(),
            ingress: false,
            config_from: ConfigFrom {
                network: config_from(ledger, network).unwrap_or_default(),
            },
            config_only: network.is_configuration(),
            containers: BTreeMap::new(),
            options: options(ledger, network, &kept),
            labels: network.labels.clone(),
        }
    }

    /// Returns a network with its running containers, for a client of an API version. `ledger` must be the one that
    /// has the network.
    pub fn with_containers(ledger: &Ledger, network: &Network, version: Version) -> Self {
        let endpoints = ledger.endpoints_on(network.id);
        let running = endpoints.filter_map(|endpoint| {
            let container = ledger.container_by_id(endpoint.container)?;
            let shown = EndpointResponse::of(container.name.to_string(), endpoint);
            container.runs().then(|| (container.id.to_string(), shown))
        });
        Self {
            containers: running.collect(),
            ..Self::bare(ledger, network, version)
        }
    }
}

impl EndpointResponse {
    fn of(name: String, endpoint: &Endpoint) -> Self {
        let of_family = |v4: bool| {
            let mut all = endpoint.addresses.iter();
            let one = all.find(|net| net.addr().is_ipv4() == v4);
            one.map(IpNet::to_string).unwrap_or_default()
        };
        Self {
            name,
            endpoint_id: endpoint.id.to_string(),
            mac_address: endpoint.mac.to_string(),
            ipv4_address: of_family(true),
            ipv6_address: of_family(false),
        }
    }
}

/// Returns the subnets, IPv4 ones first, as in dockerd.
fn configs(network: &Network) -> Vec<IpamConfig> {
    let of_family = |v4| network.subnets.iter().filter(move |one| one.is_v4() == v4);
    of_family(true)
        .chain(of_family(false))
        .map(config)
        .collect()
}

fn config(subnet: &Subnet) -> IpamConfig {
    // Docker's type has room for one range, and only for a subnet.
    let range = match subnet.ranges.as_slice() {
        [range] => range.net(),
        _ => None,
    };
    let auxiliary = subnet.auxiliary.iter();
    let auxiliary: BTreeMap<_, _> = auxiliary
        .map(|(name, address)| (name.clone(), address.to_string()))
        .collect();
    IpamConfig {
        subnet: Some(subnet.net.to_string()),
        ip_range: range.map(|range| range.to_string()),
        gateway: subnet.gateway.map(|gateway| gateway.to_string()),
        auxiliary_addresses: (!auxiliary.is_empty()).then_some(auxiliary),
    }
}

fn config_from(ledger: &Ledger, network: &Network) -> Option<String> {
    let from = NetworkRef::from(network.configuration?);
    Some(ledger.network(&from).ok()?.name.to_string())
}

fn options(ledger: &Ledger, network: &Network, kept: &NetworkOptions) -> BTreeMap<String, String> {
    let mut options: BTreeMap<String, String> = kept
        .given()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let Some(mtu) = network.mtu {
        options.entry(MTU.to_owned()).or_insert(mtu.to_string());
    }
    // The value in force is shown, whatever its origin.
    options.remove(DNS_TTL);
    if let Some(ttl) = network.dns_ttl {
        options.insert(DNS_TTL.to_owned(), ttl.to_string());
    }
    let bridge = network.is_bridge().then(|| segment_of(ledger, network));
    if let (true, Some(bridge)) = (network.predefined, bridge.flatten()) {
        // These properties of dockerd's default bridge also hold here.
        for (key, value) in [
            ("com.docker.network.bridge.default_bridge", "true"),
            (ICC, "true"),
            (MASQUERADE, "true"),
            (HOST_BINDING, "0.0.0.0"),
            ("com.docker.network.bridge.name", bridge.link().as_str()),
            (MTU, ETHERNET_MTU),
        ] {
            options.entry(key.to_owned()).or_insert(value.to_owned());
        }
    }
    options
}

#[cfg(test)]
mod tests;
