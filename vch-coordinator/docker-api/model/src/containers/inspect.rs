//! The response to `GET /containers/{id}/json` (`docker inspect`). The keys are in dockerd's order, in which people
//! read them.

mod config;
mod host;
mod network;

pub use config::ContainerConfig;
pub use host::{HostConfigResponse, Resources};
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

/// The complete description of a container, as `docker inspect` shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerInspect<'a> {
    /// The container's ID: 64 hexadecimal digits.
    pub id: String,
    /// When the container was created, in RFC 3339.
    pub created: String,
    /// The program that the container runs.
    pub path: &'a str,
    /// The program's arguments.
    pub args: Vec<&'a str>,
    /// Whether the container runs, its exit code and its health.
    pub state: ContainerState<'a>,
    /// The image's ID, `sha256:…`.
    pub image: &'a str,
    /// The path of the container's resolv.conf on the host. Always empty: the file is in the VM.
    pub resolv_conf_path: &'static str,
    /// The path of the container's hostname file on the host. Always empty: the file is in the VM.
    pub hostname_path: &'static str,
    /// The path of the container's hosts file on the host. Always empty: the file is in the VM.
    pub hosts_path: &'static str,
    /// The path of the container's log file. Always empty: clients read the log through the API.
    pub log_path: &'static str,
    /// The container's name behind a slash.
    pub name: String,
    /// How many times in a row the restart policy has started the container. A start by a user sets it to 0.
    pub restart_count: u32,
    /// The storage driver. Always `squashfs`.
    pub driver: &'static str,
    /// The operating system of the container. Always `linux`.
    pub platform: &'static str,
    /// The SELinux label of mounts. Always empty.
    pub mount_label: &'static str,
    /// The SELinux label of processes. Always empty.
    pub process_label: &'static str,
    /// The AppArmor profile. Always empty.
    pub app_armor_profile: &'static str,
    /// The IDs of the container's running execs (`docker exec`); `None`, shown as null, without any.
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<&'a [String]>,
    /// The container's limits, ports, privileges and other settings.
    pub host_config: HostConfigResponse<'a>,
    /// The storage driver: its name `squashfs`, without further data.
    pub graph_driver: GraphDriver,
    /// The bytes that the files written by the container take on the VCH's disk (its writable layer); `None` (the key
    /// is left out) if the client did not ask for sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<u64>,
    /// The bytes of the image's unpacked files and of [`ContainerInspect::size_rw`] together; `None` (the key is left
    /// out) if the client did not ask for sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<u64>,
    /// The file systems that were requested with `--mount`.
    pub mounts: Vec<MountPoint<'a>>,
    /// The container's process: command, environment, user, labels.
    pub config: ContainerConfig<'a>,
    /// The container's networks, addresses and published ports.
    pub network_settings: NetworkSettings,
    /// The descriptor of the image's manifest: media type, digest, size and platform. `None` (the key is left out)
    /// if the image was removed and up to API 1.47.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_manifest_descriptor: Option<Descriptor>,
}

impl<'a> ContainerInspect<'a> {
    /// Returns the complete description of a container for a client of an API version. `execs` has the IDs of the
    /// container's execs. The caller sets [`ContainerInspect::image_manifest_descriptor`], which is `None` here.
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
            host_config: HostConfigResponse::of(view),
            graph_driver: GRAPH_DRIVER,
            size_rw: view.sizes.map(|sizes| sizes.written),
            size_root_fs: view.sizes.map(Sizes::all),
            mounts: MountPoint::all(&view.document),
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
