//! What is known of one client's networks and containers: from the answers it got, or as the API shows it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    pub networks: BTreeMap<String, Network>,
    pub containers: BTreeMap<String, Container>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    pub link: String,
    pub gateway: String,
    pub shared: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    pub running: bool,
    /// Published ports as they were requested.
    pub ports: BTreeSet<String>,
    /// The VCH's port and the container's, of what is in force.
    pub bindings: BTreeSet<(u64, u64)>,
    /// By network.
    pub endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub link: String,
    pub mac: String,
    pub address: String,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    CreateNetwork {
        network: String,
        shared: bool,
    },
    RemoveNetwork(String),
    Add {
        container: String,
        port: Option<u16>,
    },
    Remove(String),
    Connect {
        container: String,
        network: String,
    },
    Disconnect {
        container: String,
        network: String,
    },
    Start(String),
    Stop(String),
    Rename {
        container: String,
        to: String,
    },
    Publish {
        container: String,
        port: u16,
    },
    Unpublish {
        container: String,
        port: u16,
    },
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Network {
    pub fn parse(value: &Value) -> Self {
        Self {
            link: text(&value["link"]),
            gateway: text(&value["subnets"][0]["gateway"]),
            shared: value["segment"] == "shared",
        }
    }
}

impl Container {
    pub fn parse(value: &Value) -> Self {
        let ports = value["ports"].as_array().into_iter().flatten();
        let bindings = value["bindings"].as_array().into_iter().flatten();
        let endpoints = value["endpoints"].as_object().into_iter().flatten();
        Self {
            running: value["running"] == true,
            ports: ports.map(text).collect(),
            bindings: bindings
                .filter_map(|one| {
                    Some((one["host_port"].as_u64()?, one["container_port"].as_u64()?))
                })
                .collect(),
            endpoints: endpoints
                .map(|(network, one)| (network.clone(), Endpoint::parse(one)))
                .collect(),
        }
    }
}

impl Endpoint {
    pub fn parse(value: &Value) -> Self {
        let net = text(&value["addresses"][0]);
        Self {
            link: text(&value["link"]),
            mac: text(&value["mac"]),
            address: net.split('/').next().unwrap_or_default().to_owned(),
        }
    }
}

impl Expected {
    /// The part of the API's lists that is a client's: by the names' beginning.
    pub fn parse(networks: &Value, containers: &Value, prefix: &str) -> Self {
        let own = |list: &Value| -> Vec<Value> {
            let all = list.as_array().into_iter().flatten();
            all.filter(|one| text(&one["name"]).starts_with(prefix))
                .cloned()
                .collect()
        };
        Self {
            networks: own(networks)
                .iter()
                .map(|one| (text(&one["name"]), Network::parse(one)))
                .collect(),
            containers: own(containers)
                .iter()
                .map(|one| (text(&one["name"]), Container::parse(one)))
                .collect(),
        }
    }

    /// Applies the answer to a command that was carried out.
    pub fn follow(&mut self, command: &Command, answer: &Value) {
        match command {
            Command::CreateNetwork { network, .. } => {
                self.networks
                    .insert(network.clone(), Network::parse(answer));
            }
            Command::RemoveNetwork(network) => {
                self.networks.remove(network);
            }
            Command::Remove(container) => {
                self.containers.remove(container);
            }
            Command::Add { container, .. }
            | Command::Stop(container)
            | Command::Publish { container, .. }
            | Command::Unpublish { container, .. } => {
                self.containers
                    .insert(container.clone(), Container::parse(answer));
            }
            Command::Rename { container, to } => {
                self.containers.remove(container);
                self.containers.insert(to.clone(), Container::parse(answer));
            }
            Command::Connect { container, network } => {
                if let Some(one) = self.containers.get_mut(container) {
                    one.endpoints
                        .insert(network.clone(), Endpoint::parse(answer));
                    one.bind();
                }
            }
            Command::Disconnect { container, network } => {
                if let Some(one) = self.containers.get_mut(container) {
                    one.endpoints.remove(network);
                    one.bind();
                }
            }
            Command::Start(container) => {
                if let Some(one) = self.containers.get_mut(container) {
                    one.running = true;
                    one.bind();
                }
            }
        }
    }

    /// The same without what an unanswered command may have changed.
    pub fn without(&self, command: &Command) -> Self {
        let mut rest = self.clone();
        match command {
            Command::CreateNetwork { network, .. } | Command::RemoveNetwork(network) => {
                rest.networks.remove(network);
            }
            Command::Add { container, .. } | Command::Remove(container) => {
                rest.containers.remove(container);
            }
            Command::Rename { container, to } => {
                let renamed = rest
                    .containers
                    .remove(container)
                    .or(rest.containers.remove(to));
                // Under one of both names it is there, as it was.
                rest.containers
                    .extend(renamed.map(|one| ("renamed".to_owned(), one)));
            }
            Command::Connect { container, network }
            | Command::Disconnect { container, network } => {
                if let Some(one) = rest.containers.get_mut(container) {
                    one.endpoints.remove(network);
                    one.bindings.clear();
                }
            }
            Command::Start(container) | Command::Stop(container) => {
                if let Some(one) = rest.containers.get_mut(container) {
                    one.running = false;
                    one.bindings.clear();
                }
            }
            Command::Publish { container, port } | Command::Unpublish { container, port } => {
                if let Some(one) = rest.containers.get_mut(container) {
                    one.ports.remove(&format!("{port}:{port}/tcp"));
                    one.bindings.remove(&(u64::from(*port), u64::from(*port)));
                }
            }
        }
        rest
    }
}

impl Container {
    /// Computes the ports in force: those of a container that runs and is on a network.
    fn bind(&mut self) {
        self.bindings.clear();
        if self.running && !self.endpoints.is_empty() {
            let ports = self
                .ports
                .iter()
                .filter_map(|port| port.split(':').next()?.parse().ok());
            self.bindings.extend(ports.map(|port: u64| (port, port)));
        }
    }
}
