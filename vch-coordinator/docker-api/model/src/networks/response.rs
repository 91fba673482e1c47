//! Networks as `docker network inspect` shows them.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

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

/// A network as Docker shows it. The fields are in dockerd's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSummary {
    pub name: String,
    pub id: String,
    pub created: String,
    pub scope: &'static str,
    pub driver: &'static str,
    #[serde(rename = "EnableIPv4", skip_serializing_if = "Option::is_none")]
    pub enable_ipv4: Option<bool>,
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    pub ipam: ShownIpam,
    pub internal: bool,
    pub attachable: bool,
    pub ingress: bool,
    pub config_from: ConfigFrom,
    pub config_only: bool,
    pub containers: BTreeMap<String, ShownEndpoint>,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShownIpam {
    pub driver: &'static str,
    pub options: Option<BTreeMap<String, String>>,
    /// The subnets; `None`, shown as `null` as by dockerd, for a network without addresses.
    pub config: Option<Vec<IpamConfig>>,
}

/// The template that a network was made from, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfigFrom {
    pub network: String,
}

/// The endpoint of a running container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShownEndpoint {
    pub name: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub mac_address: String,
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// Returns dockerd's name for the driver of a network. An external network is also a bridge of the
/// VCH; its scope distinguishes it.
pub fn driver(network: &Network) -> &'static str {
    match network.kind {
        NetworkKind::Bridge(_) | NetworkKind::External(_) => "bridge",
        NetworkKind::None | NetworkKind::Configuration(_) => "null",
    }
}

/// Returns the scope of a network.
pub fn scope(network: &Network) -> &'static str {
    match network.kind {
        NetworkKind::External(_) => "external",
        NetworkKind::Bridge(_) | NetworkKind::None | NetworkKind::Configuration(_) => "local",
    }
}

impl NetworkSummary {
    /// Returns a network without its containers.
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
            ipam: ShownIpam {
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

    /// Returns a network with its running containers.
    pub fn with_containers(ledger: &Ledger, network: &Network, version: Version) -> Self {
        let endpoints = ledger.endpoints_on(network.id);
        let running = endpoints.filter_map(|endpoint| {
            let container = ledger.container_by_id(endpoint.container)?;
            let shown = ShownEndpoint::of(container.name.to_string(), endpoint);
            container.runs().then(|| (container.id.to_string(), shown))
        });
        Self {
            containers: running.collect(),
            ..Self::bare(ledger, network, version)
        }
    }
}

impl ShownEndpoint {
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
