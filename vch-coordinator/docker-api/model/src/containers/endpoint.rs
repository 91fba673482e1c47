//! A container's endpoints and ports as Docker shows them.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use crate::{
    Version, containers::view::ContainerView, gates, json::Ordered, networks::endpoint::options_now,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{Endpoint, Network, NetworkId};

/// A container's endpoint. Fields of type [`Value`] are shown as the user wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerEndpoint {
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Value,
    pub links: Value,
    pub aliases: Value,
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    #[serde(flatten)]
    pub address: EndpointAddress,
    pub driver_opts: Value,
    /// The DNS names; the inner `None` is null for an endpoint on the default bridge, on which
    /// names are not resolved.
    #[serde(rename = "DNSNames", skip_serializing_if = "Option::is_none")]
    pub dns_names: Option<Option<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gw_priority: Option<i32>,
}

/// The addresses of an endpoint: empty while its container does not run, as in dockerd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointAddress {
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub gateway: String,
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    pub mac_address: String,
}

/// A port of the VCH that leads to a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShownBinding {
    pub host_ip: String,
    pub host_port: String,
}

impl ContainerView {
    /// Returns Docker's `Networks`: an entry by name for each network that the container is on, was
    /// requested for, or was on until the network was removed. A container of network mode `none`
    /// without others has the entry `none`.
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
        let written = &self.shown.endpoints;
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        let own = |name: &str| {
            name == network
                || (name == "default" && network == "bridge")
                || (name.len() >= 12 && id.starts_with(name))
        };
        let (_, text) = written.iter().find(|(name, _)| own(name))?;
        serde_json::from_str(text).ok()
    }

    /// Returns `Ports` of inspect: each port, with its bindings while the container runs.
    pub fn ports(&self) -> Ordered<Option<Vec<ShownBinding>>> {
        if !self.snapshot.container.runs() {
            return Ordered::default();
        }
        let exposed = self.snapshot.container.ports.iter();
        let mut all: Ordered<Option<Vec<ShownBinding>>> = exposed
            .map(|port| (port.number.to_string(), None))
            .collect();
        for binding in &self.snapshot.bindings {
            let key = binding.container_number().to_string();
            let bound = self.host_ips(binding).map(|host_ip| ShownBinding {
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
