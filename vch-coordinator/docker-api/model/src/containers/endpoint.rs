//! A container's endpoints (its connections to networks) and published ports, as Docker shows them.

use crate::{
    Version, containers::view::ContainerView, gates, json::Ordered, networks::endpoint::options_now,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{Endpoint, Network, NetworkId};

/// A container's connection to a network, as Docker's `EndpointSettings`: what the client wrote, and the addresses and
/// names that are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerEndpoint {
    /// The addresses that the client chose, as it wrote them; null if it chose none.
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Value,
    /// The containers that the client linked to on this network, as it wrote them; null if it linked to none.
    pub links: Value,
    /// The additional names of the container on this network, as a list; null without any. Up to API 1.44, the
    /// container's short ID is among them once it was started on a network other than the default bridge.
    pub aliases: Value,
    /// The network's ID; empty until the container's first start, as in dockerd.
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    /// The addresses in use; empty while the container does not run.
    #[serde(flatten)]
    pub address: EndpointAddress,
    /// The options of the endpoint, with the rate limit that is in force as `vch.rate`; null without options.
    pub driver_opts: Value,
    /// The names that other containers on the network resolve. The outer `None` leaves the key out (up to API
    /// 1.43). The inner one is shown as null: on the default bridge names are not resolved.
    #[serde(rename = "DNSNames", skip_serializing_if = "Option::is_none")]
    pub dns_names: Option<Option<Vec<String>>>,
    /// The priority of this network's gateway as the container's default route, 0 by default; the highest wins. `None`
    /// (the key is left out) up to API 1.47.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gw_priority: Option<i32>,
}

/// The addresses of an endpoint. All are empty or 0 while the container does not run, as in dockerd; only a MAC
/// address that the client chose is shown before the first start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointAddress {
    /// The endpoint's ID, 64 hexadecimal digits; empty while the container does not run.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The IPv4 address of the network's gateway; empty if the network has none or is internal, and while the container
    /// does not run.
    pub gateway: String,
    /// The endpoint's IPv4 address without a prefix length; empty without one, and while the container does not run.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// The prefix length of the endpoint's IPv4 address in bits; 0 without an address.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    /// The IPv6 address of the network's gateway; empty if the network has none or is internal, and while the container
    /// does not run.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// The endpoint's IPv6 address without a prefix length; empty without one, and while the container does not run.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// The prefix length of the endpoint's IPv6 address in bits; 0 without an address.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    /// The MAC address of the container's interface; before the first start the one that the client chose, if any, and
    /// empty while the container does not run later on.
    pub mac_address: String,
}

/// An address and port of the VCH that lead to a port of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BindingResponse {
    /// The IP address of the VCH. `0.0.0.0` and `::` stand for all of its addresses, or for its default addresses for
    /// published ports if the client named none. In a `HostConfig` as the client wrote it, which may be empty.
    pub host_ip: String,
    /// The port of the VCH, as a decimal number. In a `HostConfig` as the client wrote it: also a range, or empty for a
    /// port that the VCH chooses.
    pub host_port: String,
}

impl ContainerView {
    /// Returns the container's `Networks` for a client of an API version: the endpoints by the name of their network.
    /// Included are endpoints that the next start will connect, and endpoints on networks that were removed meanwhile.
    /// A container of network mode `none` that has no endpoints gets one entry without data, `none`.
    pub fn endpoints(&self, version: Version) -> Ordered<ContainerEndpoint> {
        let endpoints = self.snapshot.endpoints.iter();
        let mut all: Ordered<ContainerEndpoint> = endpoints
            .map(|(name, endpoint)| (name.to_string(), self.endpoint(endpoint, version)))
            .collect();
        for endpoint in &self.snapshot.workload.awaited {
            let asked = self.asked(&endpoint.network, version);
            all.insert(endpoint.network.clone(), asked);
        }
        for (name, id) in &self.snapshot.container.missing {
            let asked = ContainerEndpoint {
                network_id: id.to_string(),
                ..self.asked(name.as_str(), version)
            };
            all.insert(name.to_string(), asked);
        }
        if all.is_empty() && self.snapshot.workload.network_mode == "none" {
            all.insert("none".to_owned(), ContainerEndpoint::empty(version));
        }
        all
    }

    /// Returns an endpoint that the container does not have yet, as the user requested it.
    fn asked(&self, network: &str, version: Version) -> ContainerEndpoint {
        let empty = ContainerEndpoint::empty(version);
        let Some(written) = self.written(network, None) else {
            return empty;
        };
        let as_written = |key: &str| written.get(key).cloned().unwrap_or_default();
        ContainerEndpoint {
            ipam_config: as_written("IPAMConfig"),
            links: as_written("Links"),
            aliases: as_written("Aliases"),
            driver_opts: as_written("DriverOpts"),
            ..empty
        }
    }

    /// Returns the options of an endpoint as they are in force; null if there are none.
    fn options_now(&self, endpoint: &Endpoint, written: Value) -> Value {
        let written = BTreeMap::deserialize(written).ok();
        let labels = &self.snapshot.workload.labels;
        let now = options_now(written, endpoint.rate, labels);
        now.map_or(Value::Null, |options| options.into_iter().collect())
    }

    fn endpoint(&self, endpoint: &Endpoint, version: Version) -> ContainerEndpoint {
        let network = self.networks.get(&endpoint.network);
        let written =
            network.and_then(|network| self.written(network.name.as_str(), Some(network.id)));
        let as_written = |key: &str| {
            let value = written.as_ref().and_then(|written| written.get(key));
            value.cloned().unwrap_or_default()
        };
        let mut aliases: Vec<String> = endpoint.aliases.iter().map(ToString::to_string).collect();
        let user_defined = network.is_some_and(|network| network.name.as_str() != "bridge");
        let runs = self.snapshot.container.runs();
        let started = runs || self.snapshot.run_state.started_ms > 0;
        // dockerd adds the short ID at the first start.
        if user_defined && started && gates::ALIAS_SHORT_ID.is_open(version) {
            aliases.push(self.snapshot.container.id.short());
        }
        let dns_names = || user_defined.then(|| self.dns_names(endpoint));
        let address = match runs {
            true => EndpointAddress::of(endpoint, network),
            // As in dockerd, the requested address is shown until the first end.
            false => match as_written("MacAddress") {
                Value::String(mac_address) if !started => EndpointAddress {
                    mac_address,
                    ..EndpointAddress::default()
                },
                _ => EndpointAddress::default(),
            },
        };
        ContainerEndpoint {
            ipam_config: as_written("IPAMConfig"),
            links: as_written("Links"),
            aliases: match aliases.is_empty() {
                true => Value::Null,
                false => aliases.into(),
            },
            // dockerd resolves a container's networks at its first start, and clients may rely on
            // the empty ID before.
            network_id: match started {
                true => endpoint.network.to_string(),
                false => String::new(),
            },
            address,
            driver_opts: self.options_now(endpoint, as_written("DriverOpts")),
            dns_names: gates::ENDPOINT_DNS_NAMES.is_open(version).then(dns_names),
            gw_priority: gates::ENDPOINT_PRIORITY.then(version, endpoint.gateway_priority),
        }
    }

    /// Returns the names of an endpoint that dockerd also has: all but `NAME.NETWORK`, which only
    /// the VCH adds.
    fn dns_names(&self, endpoint: &Endpoint) -> Vec<String> {
        let network = self.networks.get(&endpoint.network);
        let own = network.map(|network| {
            format!("{}.{}", self.snapshot.container.name, network.name).to_ascii_lowercase()
        });
        let names = endpoint.names.iter();
        let shown = names.filter(|name| {
            own.as_deref() != Some(name.as_str()) || endpoint.aliases.contains(name)
        });
        shown.map(ToString::to_string).collect()
    }

    /// Returns the endpoint settings that the user wrote for the network with this name or ID.
    fn written(&self, network: &str, id: Option<NetworkId>) -> Option<Value> {
        let written = &self.document.endpoints;
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        let own = |name: &str| {
            name == network
                || (name == "default" && network == "bridge")
                || (name.len() >= 12 && id.starts_with(name))
        };
        let (_, text) = written.iter().find(|(name, _)| own(name))?;
        serde_json::from_str(text).ok()
    }

    /// Returns `NetworkSettings.Ports`: for each port of the container, such as `80/tcp`, the addresses and ports
    /// of the VCH that lead to it; `None` for a port that is only exposed. Empty while the container does not run.
    pub fn ports(&self) -> Ordered<Option<Vec<BindingResponse>>> {
        if !self.snapshot.container.runs() {
            return Ordered::default();
        }
        let exposed = self.snapshot.container.ports.iter();
        let mut all: Ordered<Option<Vec<BindingResponse>>> = exposed
            .map(|port| (port.number.to_string(), None))
            .collect();
        for binding in &self.snapshot.bindings {
            let key = binding.container_number().to_string();
            let bound = self.host_ips(binding).map(|host_ip| BindingResponse {
                host_ip,
                host_port: binding.host.port.to_string(),
            });
            match all.get_mut(&key) {
                Some(Some(list)) => list.extend(bound),
                Some(unbound) => *unbound = Some(bound.collect()),
                None => all.insert(key, Some(bound.collect())),
            }
        }
        all
    }
}

impl ContainerEndpoint {
    /// Returns an endpoint without any data.
    fn empty(version: Version) -> Self {
        Self {
            dns_names: gates::ENDPOINT_DNS_NAMES.then(version, None),
            gw_priority: gates::ENDPOINT_PRIORITY.then(version, 0),
            ..Self::default()
        }
    }
}

impl EndpointAddress {
    /// Returns the addresses of a running container's endpoint.
    fn of(endpoint: &Endpoint, network: Option<&Network>) -> Self {
        let mut all = Self {
            endpoint_id: endpoint.id.to_string(),
            mac_address: endpoint.mac.to_string(),
            ..Self::default()
        };
        for address in &endpoint.addresses {
            let gateway = network.and_then(|network| gateway(network, address.addr()));
            let gateway = gateway.map(|gateway| gateway.to_string());
            let gateway = gateway.unwrap_or_default();
            let (text, length) = (address.addr().to_string(), address.prefix_len());
            match address {
                IpNet::V4(_) => {
                    (all.ip_address, all.ip_prefix_len, all.gateway) = (text, length, gateway);
                }
                IpNet::V6(_) => {
                    all.ipv6_gateway = gateway;
                    (all.global_ipv6_address, all.global_ipv6_prefix_len) = (text, length);
                }
            }
        }
        all
    }
}

fn gateway(network: &Network, address: IpAddr) -> Option<IpAddr> {
    if network.internal {
        return None;
    }
    network.subnet_of(address)?.gateway
}
