//! The body of `POST /containers/create`: Docker's `Config`, `HostConfig` and `NetworkingConfig`,
//! with the field names of the OpenAPI definition. dockerd does not read other fields either, or
//! reads them only on Windows.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use crate::containers::written::{DeviceMapping, LogConfig};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

type Text = String;
type Texts = Vec<String>;
type Marks = BTreeMap<String, String>;

/// The configuration of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Body {
    pub hostname: Text,
    pub domainname: Text,
    pub user: Text,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    pub exposed_ports: BTreeMap<String, Value>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    pub env: Texts,
    pub cmd: Words,
    pub healthcheck: Option<Healthcheck>,
    pub image: Text,
    pub volumes: BTreeMap<String, Value>,
    pub working_dir: Text,
    pub entrypoint: Words,
    pub network_disabled: bool,
    pub mac_address: Text,
    pub labels: Marks,
    pub on_build: Texts,
    pub shell: Words,
    pub stop_signal: Text,
    pub stop_timeout: Option<i64>,
    pub host_config: HostConfig,
    pub networking_config: NetworkingConfig,
}

/// The configuration of the container's host, the VCH.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    pub binds: Texts,
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: Text,
    pub log_config: LogConfig,
    pub network_mode: Text,
    #[serde(deserialize_with = "port_bindings")]
    pub port_bindings: BTreeMap<String, Vec<HostBinding>>,
    pub restart_policy: Policy,
    pub auto_remove: bool,
    pub volume_driver: Text,
    pub volumes_from: Texts,
    #[serde(deserialize_with = "console_size")]
    pub console_size: Option<[u32; 2]>,
    pub annotations: Marks,
    pub cap_add: Texts,
    pub cap_drop: Texts,
    pub cgroupns_mode: Text,
    pub dns: Texts,
    pub dns_options: Texts,
    pub dns_search: Texts,
    pub extra_hosts: Texts,
    pub group_add: Texts,
    pub ipc_mode: Text,
    pub cgroup: Text,
    pub links: Texts,
    pub oom_score_adj: i64,
    pub pid_mode: Text,
    pub privileged: bool,
    pub publish_all_ports: bool,
    pub readonly_rootfs: bool,
    pub security_opt: Texts,
    pub storage_opt: Marks,
    pub tmpfs: Marks,
    #[serde(rename = "UTSMode")]
    pub uts_mode: Text,
    pub userns_mode: Text,
    pub shm_size: i64,
    pub sysctls: Marks,
    pub runtime: Text,
    pub isolation: Text,
    pub cpu_shares: i64,
    pub memory: i64,
    pub nano_cpus: i64,
    pub cgroup_parent: Text,
    pub blkio_weight: i64,
    pub blkio_weight_device: Vec<Value>,
    pub blkio_device_read_bps: Vec<Value>,
    pub blkio_device_write_bps: Vec<Value>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Vec<Value>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Vec<Value>,
    pub cpu_period: i64,
    pub cpu_quota: i64,
    pub cpu_realtime_period: i64,
    pub cpu_realtime_runtime: i64,
    pub cpuset_cpus: Text,
    pub cpuset_mems: Text,
    pub devices: Vec<DeviceMapping>,
    pub device_cgroup_rules: Texts,
    pub device_requests: Vec<Value>,
    pub kernel_memory: i64,
    #[serde(rename = "KernelMemoryTCP")]
    pub kernel_memory_tcp: i64,
    pub memory_reservation: i64,
    pub memory_swap: i64,
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: Option<bool>,
    pub pids_limit: Option<i64>,
    pub ulimits: Vec<Ulimit>,
    pub cpu_count: i64,
    pub cpu_percent: i64,
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
    /// The mounts as they were written; [`Mount`] parses each.
    pub mounts: Vec<Value>,
    pub masked_paths: Option<Texts>,
    pub readonly_paths: Option<Texts>,
    pub init: Option<bool>,
}

/// Parses rows and columns as Go parses an array of two: missing numbers are 0, further ones are
/// ignored.
///
/// # Errors
/// Returns the deserializer's error if a value is not such a number.
fn console_size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[u32; 2]>, D::Error> {
    let given = Option::<Vec<u32>>::deserialize(from)?;
    Ok(given.map(|sizes| {
        let size = |index: usize| sizes.get(index).copied().unwrap_or(0);
        [size(0), size(1)]
    }))
}

/// Parses port bindings. A port without bindings, or with null, is published at a port that the VCH
/// chooses.
///
/// # Errors
/// Returns the deserializer's error if a value is not a list of bindings.
fn port_bindings<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, Vec<HostBinding>>, D::Error> {
    let given = Option::<BTreeMap<String, Option<Vec<HostBinding>>>>::deserialize(from)?;
    let given = given.into_iter().flatten().map(|(port, bindings)| {
        let bindings = bindings.filter(|bindings| !bindings.is_empty());
        (
            port,
            bindings.unwrap_or_else(|| vec![HostBinding::default()]),
        )
    });
    Ok(given.collect())
}

/// An address and port of the VCH.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostBinding {
    pub host_ip: Text,
    pub host_port: Text,
}

/// A restart policy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Policy {
    pub name: Text,
    pub maximum_retry_count: i64,
}

/// A resource limit (setrlimit(2)).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ulimit {
    pub name: Text,
    pub soft: i64,
    pub hard: i64,
}

/// A mount.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    pub target: Text,
    pub source: Text,
    pub r#type: Text,
    pub read_only: bool,
    pub bind_options: Option<Value>,
    pub volume_options: Option<Value>,
    pub image_options: Option<Value>,
    pub cluster_options: Option<Value>,
    pub tmpfs_options: TmpfsOptions,
}

/// The options of an in-memory file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TmpfsOptions {
    pub size_bytes: i64,
    pub mode: u32,
    /// The options, each a name with an optional value.
    pub options: Vec<Vec<String>>,
}

/// A health check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    pub test: Texts,
    pub interval: i64,
    pub timeout: i64,
    pub start_period: i64,
    pub start_interval: i64,
    pub retries: i64,
}

/// The container's endpoints on networks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkingConfig {
    /// The endpoints by name or ID of the network, as they were written.
    pub endpoints_config: BTreeMap<String, Value>,
}

/// The words of a command line, written as a list or as one text; `None` if there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Option<Vec<String>>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(String),
            Many(Vec<String>),
        }
        Ok(Self(match Option::<Form>::deserialize(from)? {
            None => None,
            Some(Form::One(one)) => Some(vec![one]),
            Some(Form::Many(many)) => Some(many),
        }))
    }
}

impl Words {
    /// Returns the words.
    pub fn list(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Removes nulls as Go reads them: as a missing key, or as an empty list in a list of bindings.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter_map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    // In these objects, a key without a value has a meaning.
                    ("EndpointsConfig" | "ExposedPorts", Value::Object(inside)) => {
                        let all = inside.into_iter().map(|(key, value)| match value {
                            Value::Null => (key, Value::Object(serde_json::Map::new())),
                            other => (key, without_nulls(other)),
                        });
                        Value::Object(all.collect())
                    }
                    ("PortBindings", Value::Object(inside)) => {
                        let all = inside.into_iter().map(|(key, value)| match value {
                            Value::Null => (key, Value::Array(Vec::new())),
                            other => (key, without_nulls(other)),
                        });
                        Value::Object(all.collect())
                    }
                    (_, value) => without_nulls(value),
                };
                (!value.is_null()).then_some((key, value))
            });
            Value::Object(kept.collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
