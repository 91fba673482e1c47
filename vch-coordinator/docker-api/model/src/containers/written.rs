//! The settings of a container's request that are shown by `docker inspect` as the client wrote them. They are
//! stored as JSON with Docker's field names; later releases only add fields.

use crate::json::Ordered;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The settings of the request's `HostConfig` as the client wrote them. An empty field or `None` means that the client
/// did not set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WrittenHost {
    /// The client's file in which it stored the container's ID.
    #[serde(rename = "ContainerIDFile", skip_serializing_if = "String::is_empty")]
    pub container_id_file: String,
    /// The log driver and its options; `None` if the client named no driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_config: Option<LogConfig>,
    /// The driver of new volumes: empty or `local`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub volume_driver: String,
    /// Rows and columns of the terminal when the process starts; `None` for the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u32; 2]>,
    /// Metadata for the runtime, by key. Without effect.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The IPC namespace, such as `private` or `none`; empty for `private`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ipc_mode: String,
    /// The user namespace: empty or `host`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub userns_mode: String,
    /// The isolation technology: empty or `default`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub isolation: String,
    /// Security options such as `no-new-privileges`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_opt: Vec<String>,
    /// The options of the container's disk by name. The only possible one is `size`, such as `10G`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage_opt: BTreeMap<String, String>,
    /// The in-memory file systems of `--tmpfs`: mount options by path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: BTreeMap<String, String>,
    /// The mounts of `--mount`, each as the client's JSON.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Value>,
    /// The devices of the VM that the container gets in addition to Docker's default ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceMapping>,
    /// Whether a small init runs as process 1 and reaps orphaned processes; `None` if the client did not say, which
    /// means no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// The number of processors on Windows, without effect; `None` for 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_count: Option<i64>,
    /// The paths, such as files of /proc, that are hidden from the container; `None` for Docker's default ones, an
    /// empty list for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_paths: Option<Vec<String>>,
    /// The paths, such as files of /proc, that the container can only read; `None` for Docker's default ones, an empty
    /// list for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readonly_paths: Option<Vec<String>>,
}

/// The log driver of a container and its options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    /// The driver: `json-file`, `local`, or `none` for a log that `docker logs` cannot read. Empty for `json-file`.
    pub r#type: String,
    /// The driver's options by name: `max-size`, the maximum size of a log file such as `10m` (by default 32 MiB), and
    /// `max-file`, the maximum number of files (by default 2).
    pub config: BTreeMap<String, String>,
}

/// A device of the VM that a container gets in addition to Docker's default ones, such as `/dev/null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceMapping {
    /// The device in the VM, such as `/dev/fuse`.
    pub path_on_host: String,
    /// The device's path in the container; empty for the same path.
    pub path_in_container: String,
    /// The permitted access: some of `r` (read), `w` (write) and `m` (make nodes). Empty for all.
    pub cgroup_permissions: String,
}

/// The settings of the request's `Config` as the client wrote them. An empty field or `None` means that the client did
/// not set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WrittenConfig {
    /// `true` if the client disabled the container's network; otherwise `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_disabled: Option<bool>,
    /// Instructions for builds from an image of the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// The shell of Dockerfile's `RUN`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
    /// The paths that are declared as volumes, as keys: first the request's, then the image's. The values are empty
    /// objects.
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub volumes: Ordered<Value>,
}
