//! A container in the response to `GET /containers/json` (`docker ps`).

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

/// A container in a list, as `docker ps` shows it. The fields are in dockerd's order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerSummary<'a> {
    /// The container's ID: 64 hexadecimal digits.
    pub id: String,
    /// The container's only name, behind a slash.
    pub names: [String; 1],
    /// The image as the client named it.
    pub image: &'a str,
    /// The image's ID, `sha256:…`.
    #[serde(rename = "ImageID")]
    pub image_id: &'a str,
    /// The command line: program and arguments, separated by spaces. An argument with a space is in single quotes.
    pub command: String,
    /// When the container was created, in seconds since 1970.
    pub created: u64,
    /// The ports that are only exposed, then the published ones, each once for every address of the VCH that is shown;
    /// empty while the container does not run.
    pub ports: Vec<PortSummary>,
    /// The labels of the image and the container.
    pub labels: &'a BTreeMap<String, String>,
    /// Docker's word for the status, such as `running` or `exited`.
    pub state: &'static str,
    /// The status line, such as `Up 5 seconds (healthy)`.
    pub status: String,
    /// The few settings of `HostConfig` that a list shows.
    pub host_config: HostConfigSummary<'a>,
    /// The container's networks.
    pub network_settings: NetworkSettingsSummary,
    /// The file systems that were requested with `--mount`.
    pub mounts: Vec<MountPoint<'a>>,
    /// The bytes that the files written by the container take on the VCH's disk (its writable layer); `None` (the key
    /// is left out) if they are 0 or the client did not ask for sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<u64>,
    /// The bytes of the image's unpacked files and of [`ContainerSummary::size_rw`] together; `None` (the key is left
    /// out) if they are 0 or the client did not ask for sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<u64>,
}

/// A port of a container that is published or only exposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PortSummary {
    /// The address of the VCH. `0.0.0.0` and `::` stand for all of its addresses, or for its default addresses for
    /// published ports if the client named none. `None` (the key is left out) if the port is not published.
    #[serde(rename = "IP", skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The port in the container.
    pub private_port: u16,
    /// The port of the VCH; `None` (the key is left out) if the port is not published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_port: Option<u16>,
    /// The protocol: `tcp`, `udp` or `sctp`.
    pub r#type: String,
}

/// The settings of a container's `HostConfig` that a list shows.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfigSummary<'a> {
    /// The container's first network as the client named it, `bridge` if it named none, or `none` for no network.
    pub network_mode: &'a str,
    /// The container's annotations; `None` (the key is left out) if it has none and up to API 1.45.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<&'a BTreeMap<String, String>>,
}

/// The networks of a container in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSettingsSummary {
    /// The container's endpoints by the name of their network.
    pub networks: Ordered<ContainerEndpoint>,
}

impl<'a> ContainerSummary<'a> {
    /// Returns a container as a list shows it to a client of an API version. `now_ms` is the present time in
    /// milliseconds since 1970, for the age in the status line.
    pub fn of(view: &'a ContainerView, version: Version, now_ms: u64) -> Self {
        let snapshot = &view.snapshot;
        let workload = &*snapshot.workload;
        let annotations = Some(&view.document.host.annotations);
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
            mounts: MountPoint::all(&view.document),
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
