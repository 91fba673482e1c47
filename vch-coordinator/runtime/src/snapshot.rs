//! A container's snapshot: everything that the ledger (the coordinator's store of decisions) has of
//! it at one moment, with its JSON documents decoded.

use super::{
    documents::Documents,
    health::Health,
    links::{self, Linked},
    workload::{RunState, Workload},
};
use std::{net::IpAddr, sync::Arc};
use vch_ledger::{
    Container, ContainerId, DocumentKind, Endpoint, Ledger, NetworkId, NetworkName, PortBinding,
};

/// A container with a stored document (workload or run state) that cannot be decoded.
/// [`Runtime::all`](super::Runtime::all) leaves it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The container's row in the ledger: name, host name, state and channel.
    pub container: Container,
    /// The ID of the container's image, so that the image counts as in use and is not removed; `None` if even the ID
    /// cannot be read.
    pub image: Option<String>,
    /// A sentence for the user: which document cannot be read, why, and how to fix it.
    pub reason: String,
}

/// The state of one container at one moment: its configuration, network endpoints, published ports
/// and run state, as the ledger (the coordinator's store of decisions) has them, and its health.
#[derive(Clone, Debug)]
pub struct ContainerSnapshot {
    /// The container's row in the ledger: name, host name, creation time and whether it runs.
    pub container: Container,
    /// The container's connections to networks, each with its network's name, ordered by network
    /// ID.
    pub endpoints: Vec<(NetworkName, Endpoint)>,
    /// The container's published ports that are in force; empty if the container does not run.
    pub bindings: Vec<PortBinding>,
    /// The description of what the container's VM runs: image, process, limits and options.
    pub workload: Arc<Workload>,
    /// The state of the container's present run, or of its last one.
    pub run_state: RunState,
    /// The container's health; `None` if it does not run or has no health check.
    pub health: Option<Health>,
    /// The containers that this container is linked to (`--link`) on Docker's default bridge network, each with its
    /// alias and address. [`link_variables`](Self::link_variables) makes environment variables of them.
    pub linked: Vec<LinkedTo>,
}

/// The rows of one container in the ledger (the coordinator's store of decisions), with its JSON
/// documents undecoded. The ledger's thread reads them, and its caller decodes them with
/// [`decode`](Self::decode), so that the ledger's thread is not delayed.
#[derive(Clone, Debug)]
pub struct ContainerRows {
    container: Container,
    endpoints: Vec<(NetworkName, Endpoint)>,
    bindings: Vec<PortBinding>,
    workload: Arc<str>,
    run_state: Option<Arc<str>>,
    linked: Vec<LinkedTo>,
}

impl ContainerRows {
    /// Reads a container's rows from the ledger, without decoding its documents. Returns `None` if no container has
    /// that ID, or if another program runs its VM.
    pub fn of(ledger: &Ledger, id: ContainerId) -> Option<Self> {
        let container = ledger.container_by_id(id)?;
        let workload = ledger.document(id, DocumentKind::Workload)?;
        let named = |endpoint: &Endpoint| {
            let network = ledger.network_by_id(endpoint.network)?;
            Some((network.name.clone(), endpoint.clone()))
        };
        Some(Self {
            container: container.clone(),
            endpoints: ledger.endpoints_of(id).filter_map(named).collect(),
            bindings: ledger.bindings_of(id).cloned().collect(),
            workload,
            run_state: ledger.document(id, DocumentKind::RunState),
            linked: linked(ledger, id),
        })
    }

    /// Reads from the ledger the rows of all containers whose VMs this coordinator runs, without decoding their
    /// documents.
    pub fn all(ledger: &Ledger) -> Vec<Self> {
        let containers = ledger.containers();
        containers
            .filter_map(|container| Self::of(ledger, container.id))
            .collect()
    }

    /// Decodes the JSON documents, or takes them from the cache `documents`. The snapshot's health
    /// is `None`; the runtime adds it.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if a document does not parse, because another release wrote it or a
    /// user changed it.
    pub fn decode(self, documents: &Documents) -> Result<ContainerSnapshot, Box<Unreadable>> {
        let id = self.container.id;
        let workload = match documents.workload(id, &self.workload) {
            Ok(workload) => workload,
            Err(error) => return Err(Box::new(self.unreadable("workload", &error))),
        };
        let run_state = match self
            .run_state
            .as_ref()
            .map(|text| documents.run_state(id, text))
        {
            Some(Ok(run_state)) => run_state,
            Some(Err(error)) => return Err(Box::new(self.unreadable("life", &error))),
            None => RunState::default(),
        };
        Ok(ContainerSnapshot {
            container: self.container,
            endpoints: self.endpoints,
            bindings: self.bindings,
            workload,
            run_state,
            health: None,
            linked: self.linked,
        })
    }

    fn unreadable(self, what: &'static str, error: &serde_json::Error) -> Unreadable {
        let value = serde_json::from_str::<serde_json::Value>(&self.workload).ok();
        let reason = format!(
            "the {what} of container {} is not readable: {error}: start the release that wrote it, or remove the container by `vchctl container rm`",
            self.container.name
        );
        Unreadable {
            container: self.container,
            image: value.and_then(|value| Some(value.get("image")?.as_str()?.to_owned())),
            reason,
        }
    }
}

impl ContainerSnapshot {
    /// Returns the container's connection to a network; `None` if the container is not on that
    /// network.
    pub fn endpoint_on(&self, network: NetworkId) -> Option<&Endpoint> {
        let mut endpoints = self.endpoints.iter().map(|(_, endpoint)| endpoint);
        endpoints.find(|endpoint| endpoint.network == network)
    }
}

/// A container that another container is linked to (`--link`). Its workload is undecoded JSON, so
/// that the ledger's thread need not decode documents.
#[derive(Clone, Debug)]
pub struct LinkedTo {
    alias: String,
    address: IpAddr,
    workload: Arc<str>,
}

fn linked(ledger: &Ledger, id: ContainerId) -> Vec<LinkedTo> {
    let bridge = &ledger.settings().default_bridge.name;
    let Ok(bridge) = ledger.network(&bridge.as_str().into()) else {
        return Vec::new();
    };
    let endpoint = ledger.endpoint_of(id, bridge.id);
    let links = endpoint.iter().flat_map(|endpoint| &endpoint.links);
    let found = links.filter_map(|link| {
        let endpoint = ledger.endpoint_of(link.container, bridge.id)?;
        Some(LinkedTo {
            alias: link.alias.to_string(),
            address: endpoint.addresses.first()?.addr(),
            workload: ledger.document(link.container, DocumentKind::Workload)?,
        })
    });
    found.collect()
}

impl ContainerSnapshot {
    /// Returns the environment variables that this container gets for the containers that it is linked to (`--link`),
    /// as `NAME=value`, such as `DB_PORT=tcp://172.17.0.2:5432`. Leaves out linked containers whose workload cannot be
    /// read.
    pub fn link_variables(&self) -> Vec<String> {
        let linked = self.linked.iter().filter_map(|linked| {
            let workload: Workload = serde_json::from_str(&linked.workload).ok()?;
            Some(links::variables(&Linked {
                by: self.container.name.as_str(),
                alias: &linked.alias,
                address: linked.address,
                exposed: &workload.exposed(),
                environment: &workload.environment,
            }))
        });
        linked.flatten().collect()
    }
}

#[cfg(test)]
mod tests;
