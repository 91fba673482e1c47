//! A container with the networks that it is on, and what Docker shows of its endpoints: pure.

use docker_model::{Version, containers::shown::Shown};
use ipnet::IpNet;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};
use vch_ledger::{Endpoint, Ledger, Network, NetworkId, PortBinding};
use vch_runtime::ContainerSnapshot;

/// A container and its networks.
#[derive(Clone, Debug)]
pub struct ContainerView {
    /// The container.
    pub snapshot: ContainerSnapshot,
    /// The networks that it, and maybe others, have endpoints on.
    pub networks: Arc<BTreeMap<NetworkId, Network>>,
    /// What is only shown again.
    pub shown: Shown,
    /// How large it is, where somebody asked.
    pub sizes: Option<Sizes>,
}

/// Bytes of a container's files.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// What its own disk has of the VCH's.
    pub written: u64,
    /// Its image's.
    pub image: u64,
}

impl Sizes {
    /// Both together.
    pub fn all(self) -> u64 {
        self.written + self.image
    }
}

impl ContainerView {
    /// Returns the view of a container; `networks` are at least those that it has endpoints on.
    pub fn of(snapshot: ContainerSnapshot, networks: Arc<BTreeMap<NetworkId, Network>>) -> Self {
        Self {
            shown: Shown::of(&snapshot.workload),
            snapshot,
            networks,
            sizes: None,
        }
    }

    /// Reads the networks of a container.
    pub fn networks_of(ledger: &Ledger, ids: &BTreeSet<NetworkId>) -> BTreeMap<NetworkId, Network> {
        let networks = ids.iter().filter_map(|id| ledger.network_by_id(*id));
        networks
            .map(|network| (network.id, network.clone()))
            .collect()
    }

    /// `Networks`: what the endpoints are, by network name. Addresses are shown while it runs, as by
    /// dockerd.
    pub fn endpoints(&self, version: Version) -> Map<String, Value> {
        let endpoints = self.snapshot.endpoints.iter();
        let shown =
            endpoints.map(|(name, endpoint)| (name.to_string(), self.endpoint(endpoint, version)));
        let mut all: Map<String, Value> = shown.collect();
        for endpoint in &self.snapshot.workload.awaited {
            let shown = self.asked(&endpoint.network, version);
            all.insert(endpoint.network.clone(), shown);
        }
        for (name, id) in &self.snapshot.container.missing {
            let mut shown = self.asked(name.as_str(), version);
            shown["NetworkID"] = json!(id.to_string());
            all.insert(name.to_string(), shown);
        }
        if all.is_empty() && self.snapshot.workload.network_mode == "none" {
            all.insert("none".to_owned(), empty(version));
        }
        all
    }

    /// An endpoint that it does not have: as the user asked for it.
    fn asked(&self, network: &str, version: Version) -> Value {
        let mut shown = empty(version);
        if let Some(written) = self.written(network, None) {
            for key in ["IPAMConfig", "Links", "Aliases", "DriverOpts"] {
                shown[key] = written.get(key).cloned().unwrap_or_default();
            }
        }
        shown
    }

    fn endpoint(&self, endpoint: &Endpoint, version: Version) -> Value {
        let mut shown = empty(version);
        let Some(map) = shown.as_object_mut() else {
            return shown;
        };
        let network = self.networks.get(&endpoint.network);
        let written =
            network.and_then(|network| self.written(network.name.as_str(), Some(network.id)));
        for key in ["IPAMConfig", "Links", "DriverOpts"] {
            if let Some(value) = written.as_ref().and_then(|written| written.get(key)) {
                map.insert(key.to_owned(), value.clone());
            }
        }
        let mut aliases: Vec<String> = endpoint.aliases.iter().map(ToString::to_string).collect();
        // Up to 1.44 the short ID is among them, from the first start on.
        let user_defined = network.is_some_and(|network| network.name.as_str() != "bridge");
        let started = self.snapshot.container.runs() || self.snapshot.life.started_ms > 0;
        if user_defined && version < Version(45) && started {
            aliases.push(self.snapshot.container.id.short());
        }
        if !aliases.is_empty() {
            map.insert("Aliases".to_owned(), json!(aliases));
        }
        if version >= Version(44) && user_defined {
            map.insert("DNSNames".to_owned(), json!(self.dns_names(endpoint)));
        }
        if version >= Version(48) {
            let priority = json!(endpoint.gateway_priority);
            map.insert("GwPriority".to_owned(), priority);
        }
        // dockerd finds a container's networks when it starts first; its clients may tell by this.
        if started {
            let id = endpoint.network.to_string();
            map.insert("NetworkID".to_owned(), json!(id));
        }
        if !self.snapshot.container.runs() {
            // As dockerd has it: what was asked for, up to the first end.
            let mac = written
                .as_ref()
                .and_then(|written| written.get("MacAddress"));
            if let Some(mac @ Value::String(_)) = mac.filter(|_| !started) {
                map.insert("MacAddress".to_owned(), mac.clone());
            }
            return shown;
        }
        map.insert("EndpointID".to_owned(), json!(endpoint.id.to_string()));
        map.insert("MacAddress".to_owned(), json!(endpoint.mac.to_string()));
        for address in &endpoint.addresses {
            let gateway = network.and_then(|network| gateway(network, address.addr()));
            let gateway = gateway.map(|gateway| gateway.to_string());
            let [ip, prefix, way] = match address {
                IpNet::V4(_) => ["IPAddress", "IPPrefixLen", "Gateway"],
                IpNet::V6(_) => ["GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway"],
            };
            map.insert(ip.to_owned(), json!(address.addr().to_string()));
            map.insert(prefix.to_owned(), json!(address.prefix_len()));
            map.insert(way.to_owned(), json!(gateway.unwrap_or_default()));
        }
        shown
    }

    /// Returns the names of an endpoint that dockerd has too: all but `NAME.NETWORK`, which answers here
    /// in addition.
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

    /// What the user wrote of an endpoint, by the network's name or ID.
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

    /// `Ports` of inspect: each port, with where it is bound while it runs.
    pub fn ports(&self) -> Map<String, Value> {
        let mut all = Map::new();
        if !self.snapshot.container.runs() {
            return all;
        }
        for port in &self.snapshot.container.ports {
            all.insert(port.number.to_string(), Value::Null);
        }
        for binding in &self.snapshot.bindings {
            let key = binding.container_number().to_string();
            let bound = all.entry(key).or_insert(Value::Null);
            let shown = self.host_ips(binding).map(|address| {
                json!({
                    "HostIp": address,
                    "HostPort": binding.host.port.to_string(),
                })
            });
            match bound {
                Value::Array(list) => list.extend(shown),
                other => *other = shown.collect(),
            }
        }
        all
    }

    /// Where a port is bound, as dockerd shows what names no address at all of the host's.
    pub fn host_ips(&self, binding: &PortBinding) -> impl Iterator<Item = String> + use<> {
        let mut endpoints = self.snapshot.endpoints.iter();
        let v6 = endpoints
            .any(|(_, endpoint)| endpoint.addresses.iter().any(|net| net.addr().is_ipv6()));
        let all = match binding.host.address {
            Some(address) => vec![address.to_string()],
            None if v6 => vec!["0.0.0.0".to_owned(), "::".to_owned()],
            None => vec!["0.0.0.0".to_owned()],
        };
        all.into_iter()
    }
}

fn gateway(network: &Network, address: IpAddr) -> Option<IpAddr> {
    if network.internal {
        return None;
    }
    network.subnet_of(address)?.gateway
}

/// An endpoint of which nothing is known but its keys.
fn empty(version: Version) -> Value {
    let mut shown = json!({
        "IPAMConfig": null,
        "Links": null,
        "Aliases": null,
        "NetworkID": "",
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": "",
        "DriverOpts": null,
    });
    if let Some(map) = shown.as_object_mut() {
        if version >= Version(44) {
            map.insert("DNSNames".to_owned(), Value::Null);
        }
        if version >= Version(48) {
            map.insert("GwPriority".to_owned(), json!(0));
        }
    }
    shown
}
