//! `GET /containers/{id}/json`. The keys are in dockerd's order, in which people read them.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

mod config;
mod host;
mod network;

pub use config::ContainerConfig;
pub use host::{Resources, ShownHostConfig};
pub use network::NetworkSettings;

use crate::{
    Version,
    containers::{
        mount::MountPoint,
        status::{self, ContainerState},
        view::{ContainerView, Sizes},
    },
    json::{GRAPH_DRIVER, GraphDriver},
};
use serde::Serialize;
use vch_image_store::Descriptor;

/// The complete description of a container.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerInspect<'a> {
    pub id: String,
    pub created: String,
    pub path: &'a str,
    pub args: Vec<&'a str>,
    pub state: ContainerState<'a>,
    pub image: &'a str,
    pub resolv_conf_path: &'static str,
    pub hostname_path: &'static str,
    pub hosts_path: &'static str,
    pub log_path: &'static str,
    pub name: String,
    pub restart_count: u32,
    pub driver: &'static str,
    pub platform: &'static str,
    pub mount_label: &'static str,
    pub process_label: &'static str,
    pub app_armor_profile: &'static str,
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<&'a [String]>,
    pub host_config: ShownHostConfig<'a>,
    pub graph_driver: GraphDriver,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<u64>,
    pub mounts: Vec<MountPoint<'a>>,
    pub config: ContainerConfig<'a>,
    pub network_settings: NetworkSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_manifest_descriptor: Option<Descriptor>,
}

impl<'a> ContainerInspect<'a> {
    /// Returns the complete description of a container, without its image's manifest.
    pub fn of(view: &'a ContainerView, version: Version, execs: &'a [String]) -> Self {
        let snapshot = &view.snapshot;
        let workload = &*snapshot.workload;
        let words = workload.entrypoint.iter().chain(&workload.command);
        let mut words = words.map(String::as_str);
        Self {
            id: snapshot.container.id.to_string(),
            created: status::moment(snapshot.container.created_ms),
            path: words.next().unwrap_or_default(),
            args: words.collect(),
            state: ContainerState::of(snapshot),
            image: &workload.image,
            resolv_conf_path: "",
            hostname_path: "",
            hosts_path: "",
            log_path: "",
            name: format!("/{}", snapshot.container.name),
            restart_count: snapshot.run_state.restarts,
            driver: "squashfs",
            platform: "linux",
            mount_label: "",
            process_label: "",
            app_armor_profile: "",
            exec_ids: list(execs),
            host_config: ShownHostConfig::of(view),
            graph_driver: GRAPH_DRIVER,
            size_rw: view.sizes.map(|sizes| sizes.written),
            size_root_fs: view.sizes.map(Sizes::all),
            mounts: MountPoint::all(&view.shown),
            config: ContainerConfig::of(view, version),
            network_settings: NetworkSettings::of(view, version),
            image_manifest_descriptor: None,
        }
    }
}

/// Returns a list; `None`, which is null as in Go, if it is empty.
fn list(list: &[String]) -> Option<&[String]> {
    (!list.is_empty()).then_some(list)
}

/// Returns the key of a port: `80` is shown as `80/tcp`.
fn key(port: &str) -> String {
    match port.contains('/') {
        true => port.to_owned(),
        false => format!("{port}/tcp"),
    }
}
