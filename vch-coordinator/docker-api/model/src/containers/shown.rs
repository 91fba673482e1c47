//! The data of a container that are only shown again. They are a document in the container's
//! workload that no other module reads.

use crate::containers::written::{WrittenConfig, WrittenHost};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use vch_runtime::workload::Workload;

/// The data that are only shown again; the ledger and the workload have the data in force. Fields
/// are only ever added, each with a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// The fields of `HostConfig` that are shown as they were written, by Docker's field names.
    pub host: WrittenHost,
    /// The same of `Config`.
    pub config: WrittenConfig,
    /// `ExposedPorts`: those of the image and of the user.
    pub exposed: Vec<String>,
    /// `PortBindings`: host addresses and host ports by port.
    pub bindings: BTreeMap<String, Vec<(String, String)>>,
    /// `PublishAllPorts`.
    pub publish_all: bool,
    /// `Links`.
    pub links: Vec<String>,
    /// `Dns`, `DnsSearch`, `DnsOptions`.
    pub dns: [Vec<String>; 3],
    /// `ExtraHosts`.
    pub extra_hosts: Vec<String>,
    /// The user's `EndpointSettings` as JSON, by network name.
    pub endpoints: BTreeMap<String, String>,
}

impl Shown {
    /// Parses the document of a workload. An unreadable document gives the default.
    pub fn of(workload: &Workload) -> Self {
        Self::read(&workload.shown)
    }

    fn read(document: &Value) -> Self {
        Self::deserialize(document).unwrap_or_default()
    }

    /// Returns the document.
    pub fn document(&self) -> Value {
        // Texts, numbers and lists can always be serialized.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Stores the user's settings of an endpoint on a network in a document.
    pub fn record_endpoint(document: &mut Value, network: String, written: String) {
        let mut shown = Self::read(document);
        shown.endpoints.insert(network, written);
        *document = shown.document();
    }
}

#[cfg(test)]
mod tests;
