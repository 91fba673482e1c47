//! A container in a list.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use crate::{
    Version,
    containers::{
        endpoint::ContainerEndpoint,
        mount::MountPoint,
        status,
        view::{ContainerView, Sizes},
    },
    gates,
    json::Ordered,
};
use serde::Serialize;
use std::collections::BTreeMap;
use vch_runtime::workload::Workload;

/// A container in a list. The fields are in dockerd's order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerSummary<'a> {
    pub id: String,
    pub names: [String; 1],
    pub image: &'a str,
    #[serde(rename = "ImageID")]
    pub image_id: &'a str,
    pub command: String,
    pub created: u64,
    pub ports: Vec<PortSummary>,
    pub labels: &'a BTreeMap<String, String>,
    pub state: &'static str,
    pub status: String,
    pub host_config: HostConfigSummary<'a>,
    pub network_settings: NetworkSettingsSummary,
    pub mounts: Vec<MountPoint<'a>>,
    /// The size of the writable layer; absent if it is 0, as in dockerd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<u64>,
    /// The size of the root file system; absent if it is 0, as in dockerd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<u64>,
}

/// A port that is published or only exposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PortSummary {
    #[serde(rename = "IP", skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    pub private_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_port: Option<u16>,
    pub r#type: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfigSummary<'a> {
    pub network_mode: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<&'a BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSettingsSummary {
    pub networks: Ordered<ContainerEndpoint>,
}

impl<'a> ContainerSummary<'a> {
    /// Returns a container as a list shows it.
    pub fn of(view: &'a ContainerView, version: Version, now_ms: u64) -> Self {
        let snapshot = &view.snapshot;
        let workload = &*snapshot.workload;
        let annotations = Some(&view.shown.host.annotations);
        let annotations = annotations.filter(|annotations| !annotations.is_empty());
        let size = |size: Option<u64>| size.filter(|size| *size > 0);
        Self {
            id: snapshot.container.id.to_string(),
            names: [format!("/{}", snapshot.container.name)],
            image: &workload.image_name,
            image_id: &workload.image,
            command: command(workload),
            created: snapshot.container.created_ms / 1_000,
            ports: ports(view),
            labels: &workload.labels,
            state: status::word(&snapshot.run_state),
            status: status::line(&snapshot.run_state, snapshot.health.as_ref(), now_ms),
            host_config: HostConfigSummary {
                network_mode: &workload.network_mode,
                annotations: gates::LIST_ANNOTATIONS.then(version, annotations).flatten(),
            },
            network_settings: NetworkSettingsSummary {
                networks: view.endpoints(version),
            },
            mounts: MountPoint::all(&view.shown),
            size_rw: size(view.sizes.map(|sizes| sizes.written)),
            size_root_fs: size(view.sizes.map(Sizes::all)),
        }
    }
}

/// Returns the command line, with quotes around arguments that contain a space.
fn command(workload: &Workload) -> String {
    let words = workload.entrypoint.iter().chain(&workload.command);
    let quoted = words
        .enumerate()
        .map(|(index, word)| match word.contains(' ') && index > 0 {
            true => format!("'{word}'"),
            false => word.clone(),
        });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Returns the ports: first those that are only exposed, then the published ones.
fn ports(view: &ContainerView) -> Vec<PortSummary> {
    if !view.snapshot.container.runs() {
        return Vec::new();
    }
    let bindings = view.snapshot.bindings.iter().flat_map(|binding| {
        view.host_ips(binding).map(|address| PortSummary {
            ip: Some(address),
            private_port: binding.container_port,
            public_port: Some(binding.host.port),
            r#type: binding.host.protocol.to_string(),
        })
    });
    let bound = |number| {
        let mut bindings = view.snapshot.bindings.iter();
        bindings.any(|binding| binding.container_number() == number)
    };
    let ports = view.snapshot.container.ports.iter().map(|port| port.number);
    let exposed = ports
        .filter(|number| !bound(*number))
        .map(|number| PortSummary {
            ip: None,
            private_port: number.port,
            public_port: None,
            r#type: number.protocol.to_string(),
        });
    exposed.chain(bindings).collect()
}
