//! What of a container is only shown again: a document with the container's workload, which no other module reads.

use crate::containers::written::{WrittenConfig, WrittenHost};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use vch_runtime::workload::Workload;

/// What is only shown again: the ledger and the workload have what is in force. Fields are only ever added, with a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// `HostConfig` as far as it is shown as it was written: by Docker's own field names.
    pub host: WrittenHost,
    /// `Config`, the same.
    pub config: WrittenConfig,
    /// `ExposedPorts`: those that the image and the user name.
    pub exposed: Vec<String>,
    /// `PortBindings`: port, then host address and host port.
    pub bindings: BTreeMap<String, Vec<(String, String)>>,
    /// `PublishAllPorts`.
    pub publish_all: bool,
    /// `Links`.
    pub links: Vec<String>,
    /// `Dns`, `DnsSearch`, `DnsOptions`.
    pub dns: [Vec<String>; 3],
    /// `ExtraHosts`.
    pub extra_hosts: Vec<String>,
    /// By network name: the `EndpointSettings` that the user wrote, as JSON.
    pub endpoints: BTreeMap<String, String>,
}

impl Shown {
    /// Reads the document of a workload; one that is not readable shows nothing again.
    pub fn of(workload: &Workload) -> Self {
        Self::read(&workload.shown)
    }

    fn read(document: &Value) -> Self {
        Self::deserialize(document).unwrap_or_default()
    }

    /// Returns the document.
    pub fn document(&self) -> Value {
        // Of texts, numbers and lists: it can be written.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Writes into a document what the user wrote of an endpoint on a network.
    pub fn record_endpoint(document: &mut Value, network: String, written: String) {
        let mut shown = Self::read(document);
        shown.endpoints.insert(network, written);
        *document = shown.document();
    }
}

#[cfg(test)]
mod tests;
