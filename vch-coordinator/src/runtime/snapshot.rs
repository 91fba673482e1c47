//! A container as all of its rows together show it.

use super::{
    RuntimeError,
    health::Health,
    links::{self, Linked},
    workload::{Life, Workload},
};
use std::{net::IpAddr, sync::Arc};
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

/// A container as the ledger has it at one moment: its row, endpoints, bindings and documents.
#[derive(Clone, Debug)]
pub struct ContainerSnapshot {
    /// Its row.
    pub container: Container,
    /// Its endpoints, each with its network's name, by network id.
    pub endpoints: Vec<(NetworkName, Endpoint)>,
    /// Its published ports that are in force.
    pub bindings: Vec<PortBinding>,
    /// What it runs.
    pub workload: Arc<Workload>,
    /// How its life goes.
    pub life: Life,
    /// How it is, where it runs and has a health check.
    pub health: Option<Health>,
    /// The containers that it is linked to on the default bridge.
    pub linked: Vec<LinkedTo>,
}

impl ContainerSnapshot {
    /// Reads a container. Returns `None` if it is not there, or has no workload and so is not run by this VCH.
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
            linked: linked(ledger, id),
        }))
    }

    /// Reads all containers: those that can be read, and those that can't.
    pub fn all(ledger: &Ledger) -> (Vec<Self>, Vec<Unreadable>) {
        let (mut all, mut unreadable) = (Vec::new(), Vec::new());
        for container in ledger.containers() {
            match Self::of(ledger, container.id) {
                Ok(snapshot) => all.extend(snapshot),
                Err(error) => unreadable.push(Unreadable::of(ledger, container, &error)),
            }
        }
        (all, unreadable)
    }

    /// Its endpoint on the network with this identity.
    pub fn endpoint_on(&self, network: NetworkId) -> Option<&Endpoint> {
        let mut endpoints = self.endpoints.iter().map(|(_, endpoint)| endpoint);
        endpoints.find(|endpoint| endpoint.network == network)
    }
}

/// A container that another one is linked to. Its workload is a text as the ledger keeps it: the writer's thread, which
/// hands it out, decodes nothing.
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
    /// Returns the variables of its links, `NAME=value`, for those of the linked containers whose workload can be read.
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
