//! A container as all of its rows together show it.

use super::{
    documents::Documents,
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
    /// Which document, why, and what to do.
    pub reason: String,
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

/// A container's rows as the ledger has them, with documents that are not decoded: what the writer's thread hands out.
#[derive(Clone, Debug)]
pub struct ContainerRows {
    container: Container,
    endpoints: Vec<(NetworkName, Endpoint)>,
    bindings: Vec<PortBinding>,
    workload: Arc<str>,
    life: Option<Arc<str>>,
    linked: Vec<LinkedTo>,
}

impl ContainerRows {
    /// Reads a container. Returns `None` if it is not there, or has no workload and so is not run by this VCH.
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
            life: ledger.document(id, DocumentKind::Life),
            linked: linked(ledger, id),
        })
    }

    /// Reads all containers that this VCH runs.
    pub fn all(ledger: &Ledger) -> Vec<Self> {
        let containers = ledger.containers();
        containers
            .filter_map(|container| Self::of(ledger, container.id))
            .collect()
    }

    /// Decodes the documents.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if a document was written by another release, or by hand.
    pub fn decode(self, documents: &Documents) -> Result<ContainerSnapshot, Box<Unreadable>> {
        let id = self.container.id;
        let workload = match documents.workload(id, &self.workload) {
            Ok(workload) => workload,
            Err(error) => return Err(Box::new(self.unreadable("workload", &error))),
        };
        let life = match self.life.as_ref().map(|text| documents.life(id, text)) {
            Some(Ok(life)) => life,
            Some(Err(error)) => return Err(Box::new(self.unreadable("life", &error))),
            None => Life::default(),
        };
        Ok(ContainerSnapshot {
            container: self.container,
            endpoints: self.endpoints,
            bindings: self.bindings,
            workload,
            life,
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

#[cfg(test)]
mod tests;
