//! A container's document: the parts of its request that `docker inspect` shows again as the client wrote them. It is
//! one JSON value in the container's [`Workload`]; the ledger and the runtime carry out nothing by it.

use crate::containers::written::{WrittenConfig, WrittenHost};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use vch_runtime::workload::Workload;

/// A container's document: the parts of its request that `docker inspect` shows again as the client wrote them. Some of
/// them have no effect in a VCH; the ledger and the container's [`Workload`] hold the others in the form that is
/// carried out. Later releases only add fields, each with a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerDocument {
    /// The fields of the request's `HostConfig`.
    pub host: WrittenHost,
    /// The fields of the request's `Config`.
    pub config: WrittenConfig,
    /// The exposed ports of the request and the image, such as `80/tcp`.
    pub exposed: Vec<String>,
    /// The request's `PortBindings`: for each port of the container, such as `80/tcp`, pairs of an address and a
    /// port of the VCH. Empty texts stand for all addresses, and for a port that the VCH chooses.
    pub bindings: BTreeMap<String, Vec<(String, String)>>,
    /// The request's `PublishAllPorts`: whether each exposed port is published.
    pub publish_all: bool,
    /// The request's `Links`, each as `container` or `container:alias`.
    pub links: Vec<String>,
    /// The request's `Dns`, `DnsSearch` and `DnsOptions`, in this order.
    pub dns: [Vec<String>; 3],
    /// The request's `ExtraHosts`, each as `name:address`.
    pub extra_hosts: Vec<String>,
    /// The `EndpointSettings` of requests to create the container and to connect it, as JSON text, by the network's
    /// name or ID in the request.
    pub endpoints: BTreeMap<String, String>,
}

impl ContainerDocument {
    /// Returns the document that is stored in a container's workload. If it cannot be parsed, all fields are empty.
    pub fn of(workload: &Workload) -> Self {
        Self::read(&workload.api_document)
    }

    fn read(document: &Value) -> Self {
        Self::deserialize(document).unwrap_or_default()
    }

    /// Returns the document as the JSON value to store in [`Workload::api_document`].
    pub fn to_value(&self) -> Value {
        // Texts, numbers and lists can always be serialized.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Adds the settings of an endpoint, the JSON text `written`, to a stored `document` of a container, for `docker
    /// network connect`. Replaces settings that are stored under the same network's name. A document that cannot be
    /// parsed is replaced by one with this endpoint alone.
    pub fn record_endpoint(document: &mut Value, network: String, written: String) {
        let mut changed = Self::read(document);
        changed.endpoints.insert(network, written);
        *document = changed.to_value();
    }
}

#[cfg(test)]
mod tests;
