//! A container as all of its rows together show it.

use super::{
    RuntimeError,
    health::Health,
    links::{self, Linked},
    workload::{Life, Workload},
};
use std::sync::Arc;
use vch_ledger::{
    Container, ContainerId, DocumentKind, Endpoint, Ledger, NetworkId, NetworkName, PortBinding,
};

/// A container of which a document can't be read: it is left out of what is shown of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its row.
    pub container: Container,
    /// Its image, where that much can be read: it stays in use.
    pub image: Option<String>,
    /// Which document, and why.
    pub reason: String,
}

impl Unreadable {
    pub(super) fn of(ledger: &Ledger, container: &Container, error: &RuntimeError) -> Self {
        let text = ledger.document(container.id, DocumentKind::Workload);
        let value = text.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        Self {
            container: container.clone(),
            image: value.and_then(|value| Some(value.get("image")?.as_str()?.to_owned())),
            reason: error.to_string(),
        }
    }
}

/// A container with what hangs on it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Its row.
    pub container: Container,
    /// Its places, each with its network's name, by network id.
    pub endpoints: Vec<(NetworkName, Endpoint)>,
    /// Its published ports that are in force.
    pub bindings: Vec<PortBinding>,
    /// What it runs.
    pub workload: Arc<Workload>,
    /// How its life goes.
    pub life: Life,
    /// How it is, where it runs and has a health check.
    pub health: Option<Health>,
    /// The variables of its links on the default bridge, `NAME=value`.
    pub link_variables: Vec<String>,
}

impl Looked {
    /// `None` for one that is not there, or that has no workload: somebody else runs it.
    pub fn of(ledger: &Ledger, id: ContainerId) -> Result<Option<Self>, RuntimeError> {
        let Some(container) = ledger.container_by_id(id) else {
            return Ok(None);
        };
        let Some(text) = ledger.document(id, DocumentKind::Workload) else {
            return Ok(None);
        };
        let workload = read("workload", container, &text)?;
        let life = match ledger.document(id, DocumentKind::Life) {
            Some(text) => read("life", container, &text)?,
            None => Life::default(),
        };
        let named = |endpoint: &Endpoint| {
            let network = ledger.network_by_id(endpoint.network)?;
            Some((network.name.clone(), endpoint.clone()))
        };
        Ok(Some(Self {
            container: container.clone(),
            endpoints: ledger.endpoints_of(id).filter_map(named).collect(),
            bindings: ledger.bindings_of(id).cloned().collect(),
            workload: Arc::new(workload),
            life,
            health: None,
            link_variables: link_variables(ledger, container),
        }))
    }

    /// All that can be read, and those that can't.
    pub fn all(ledger: &Ledger) -> (Vec<Self>, Vec<Unreadable>) {
        let (mut all, mut unreadable) = (Vec::new(), Vec::new());
        for container in ledger.containers() {
            match Self::of(ledger, container.id) {
                Ok(looked) => all.extend(looked),
                Err(error) => unreadable.push(Unreadable::of(ledger, container, &error)),
            }
        }
        (all, unreadable)
    }

    /// Its place on the network with this identity.
    pub fn endpoint_on(&self, network: NetworkId) -> Option<&Endpoint> {
        let mut endpoints = self.endpoints.iter().map(|(_, endpoint)| endpoint);
        endpoints.find(|endpoint| endpoint.network == network)
    }
}

/// The variables of a container's links on the default bridge, for those of the linked containers that are on it and
/// whose workload can be read.
fn link_variables(ledger: &Ledger, container: &Container) -> Vec<String> {
    let bridge = &ledger.settings().default_bridge.name;
    let Ok(bridge) = ledger.network(&bridge.as_str().into()) else {
        return Vec::new();
    };
    let endpoint = ledger.endpoint_of(container.id, bridge.id);
    let mut all = Vec::new();
    for link in endpoint.iter().flat_map(|endpoint| &endpoint.links) {
        let other = ledger.container_by_id(link.container);
        let place = ledger.endpoint_of(link.container, bridge.id);
        let address = place.and_then(|place| place.addresses.first());
        let text = ledger.document(link.container, DocumentKind::Workload);
        let (Some(other), Some(address), Some(text)) = (other, address, text) else {
            continue;
        };
        let Ok(workload) = read::<Workload>("workload", other, &text) else {
            continue;
        };
        all.extend(links::variables(&Linked {
            by: container.name.as_str(),
            alias: link.alias.as_str(),
            address: address.addr(),
            exposed: &workload.shown.exposed,
            environment: &workload.environment,
        }));
    }
    all
}

fn read<T: serde::de::DeserializeOwned>(
    what: &'static str,
    container: &Container,
    text: &str,
) -> Result<T, RuntimeError> {
    serde_json::from_str(text).map_err(|error| RuntimeError::Document {
        what,
        container: container.name.to_string(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
