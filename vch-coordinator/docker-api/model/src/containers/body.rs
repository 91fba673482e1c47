//! The body of `POST /containers/create`: Docker's `Config`, `HostConfig` and `NetworkingConfig`, under the field
//! names of Docker's API reference.
//!
//! An empty text, 0, an empty list and `None` mean that the client did not set the field, unless the field's own
//! documentation says otherwise. Keys that no field has are ignored; dockerd ignores them as well, or reads them
//! only on Windows. [`create::plan`](crate::containers::create::plan) refuses each value that a VCH cannot carry
//! out.

use crate::containers::written::{DeviceMapping, LogConfig};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

type Text = String;
type Texts = Vec<String>;
type Marks = BTreeMap<String, String>;

/// The body of `POST /containers/create`: the process and, in [`Body::host_config`], the limits and settings of its
/// container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Body {
    /// The container's host name; empty for the first 12 digits of its ID.
    pub hostname: Text,
    /// The domain of the container's host name, such as `example.com`; empty for a host name without a domain.
    pub domainname: Text,
    /// The process's user by name or ID, with an optional group: `user:group`. Empty for the image's.
    pub user: Text,
    /// Whether the creating client attaches to standard input. Without effect; `docker inspect` shows it again.
    pub attach_stdin: bool,
    /// Whether the creating client attaches to standard output. Without effect; `docker inspect` shows it again.
    pub attach_stdout: bool,
    /// Whether the creating client attaches to standard error. Without effect; `docker inspect` shows it again.
    pub attach_stderr: bool,
    /// The ports that the container listens at, as keys such as `80/tcp` or `8000-8010/udp`; the values are not read.
    /// This alone does not publish them: see [`HostConfig::port_bindings`] and [`HostConfig::publish_all_ports`].
    pub exposed_ports: BTreeMap<String, Value>,
    /// Whether the process gets a terminal. If false, its standard output and standard error are separate streams.
    pub tty: bool,
    /// Whether the process has a standard input that clients can write to, and that stays open while no client is
    /// attached. If false, standard input is empty.
    pub open_stdin: bool,
    /// Whether standard input closes when the first attached client leaves. If false, it stays open for later clients.
    pub stdin_once: bool,
    /// Environment variables as `NAME=value`. They precede the image's and replace those of the same name.
    pub env: Texts,
    /// The arguments of the entrypoint, or the whole command if no entrypoint is set. If empty, the image's command
    /// is used, unless the body sets an entrypoint.
    pub cmd: StringOrList,
    /// The health check; unset parts are the image's. `None` for the image's health check.
    pub healthcheck: Option<Healthcheck>,
    /// The image by name, ID or beginning of its ID. The VCH must have it: creating a container does not pull it.
    pub image: Text,
    /// Paths at which the container declares volumes, as keys. The VCH has no volumes: each path becomes a
    /// directory of the container's own file system.
    pub volumes: BTreeMap<String, Value>,
    /// The absolute path of the process's working directory; empty for the image's.
    pub working_dir: Text,
    /// The program and its first arguments. Empty for the image's; a single empty text removes the image's.
    pub entrypoint: StringOrList,
    /// Whether the container has no network except its loopback interface.
    pub network_disabled: bool,
    /// The MAC address of the container's first endpoint; empty for an automatic one. Clients set it up to API 1.43;
    /// from later clients it is accepted with a warning.
    pub mac_address: Text,
    /// The container's labels. They are added to the image's and replace those of the same name.
    pub labels: Marks,
    /// Instructions for builds from an image of this container. Without effect; `docker inspect` shows it again.
    pub on_build: Texts,
    /// The shell of Dockerfile's `RUN`. Without effect; `docker inspect` shows it again.
    pub shell: StringOrList,
    /// The signal that asks the container to end, such as `SIGTERM` or `15`; empty for the image's, or else
    /// SIGTERM.
    pub stop_signal: Text,
    /// Seconds between the stop signal and SIGKILL; `None` for 10, negative for no SIGKILL.
    pub stop_timeout: Option<i64>,
    /// The container's limits, ports, privileges and other settings.
    pub host_config: HostConfig,
    /// The container's endpoints: the networks to connect it to.
    pub networking_config: NetworkingConfig,
}

/// Docker's `HostConfig`: the limits, ports, mounts, privileges and namespaces of a container. `POST
/// /containers/{id}/update` takes the same type, but changes only the restart policy and the limits of memory,
/// processors and tasks; a limit that is not set stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// Volumes in the form of `docker run --volume`. A VCH refuses each, since it has no volumes.
    pub binds: Texts,
    /// The client's file in which it stores the container's ID. Without effect; `docker inspect` shows it again.
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: Text,
    /// The log driver and its options.
    pub log_config: LogConfig,
    /// The container's first network by name or ID, or `none`; empty or `default` for the default bridge. `host`
    /// and `container:…` are refused.
    pub network_mode: Text,
    /// The ports to publish: for each port of the container, such as `80/tcp`, the addresses and ports of the VCH that
    /// lead to it. An empty list in the request becomes one [`HostBinding`] whose port the VCH chooses.
    #[serde(deserialize_with = "port_bindings")]
    pub port_bindings: BTreeMap<String, Vec<HostBinding>>,
    /// When an ended container is started again.
    pub restart_policy: Policy,
    /// Whether the container is removed when it ends (`docker run --rm`).
    pub auto_remove: bool,
    /// The driver of new volumes; only empty or `local` is accepted.
    pub volume_driver: Text,
    /// Containers whose volumes the container shares, as `container` or `container:mode`. A VCH refuses each.
    pub volumes_from: Texts,
    /// Rows and columns of the terminal when the process starts; `None` or zeros for 24 and 80. Read since API
    /// 1.42.
    #[serde(deserialize_with = "console_size")]
    pub console_size: Option<[u32; 2]>,
    /// Metadata for the runtime, by key. Without effect; `docker inspect` shows it again. Read since API 1.43.
    pub annotations: Marks,
    /// Capabilities to add to Docker's default ones, with or without the prefix `CAP_`; `ALL` for all.
    pub cap_add: Texts,
    /// Capabilities to remove, written like those of [`HostConfig::cap_add`].
    pub cap_drop: Texts,
    /// The cgroup namespace; only empty or `private` is accepted.
    pub cgroupns_mode: Text,
    /// IP addresses of the DNS servers to which the VCH forwards the container's queries for outside names; empty for
    /// the servers of the VCH's configuration. The first 8 are used.
    pub dns: Texts,
    /// Options of the container's resolv.conf(5), such as `ndots:2`. Without an `ndots`, `ndots:0` is added.
    pub dns_options: Texts,
    /// Domains that the container's resolver appends to short names (`search` in resolv.conf(5)). Empty for the VCH's
    /// search domain; the single domain `.` for none.
    pub dns_search: Texts,
    /// Further lines of the container's hosts file, as `name:address`. The address may be `host-gateway`, which stands
    /// for the VCH's address on the default bridge.
    pub extra_hosts: Texts,
    /// Supplementary groups of the process, by name or ID.
    pub group_add: Texts,
    /// The IPC namespace: empty, `private`, `shareable`, or `none` for a container without /dev/shm. Others are
    /// refused.
    pub ipc_mode: Text,
    /// The cgroup of another container to share. A VCH refuses every value but an empty one.
    pub cgroup: Text,
    /// Containers to link to on the first network, as `container` or `container:alias`. The alias is the name by which
    /// this container finds the other one.
    pub links: Texts,
    /// The adjustment of the process's OOM score, -1000 to 1000 (proc(5), `oom_score_adj`).
    pub oom_score_adj: i64,
    /// The PID namespace; only an empty text, the container's own, is accepted.
    pub pid_mode: Text,
    /// Whether the process gets all capabilities and devices of the VM.
    pub privileged: bool,
    /// Whether each exposed port that [`HostConfig::port_bindings`] does not have is published at a port that the VCH
    /// chooses.
    pub publish_all_ports: bool,
    /// Whether the container's root file system is read-only.
    pub readonly_rootfs: bool,
    /// Security options: `no-new-privileges`, optionally with `=true` or `=false`; `seccomp=unconfined` for no filter
    /// of system calls; `seccomp=builtin`, `apparmor=unconfined` and `label=disable`, which are the default. Others are
    /// refused.
    pub security_opt: Texts,
    /// Options of the container's disk. Only `size`, 16M to 16T, is accepted: how much the container may write to its
    /// root file system. Without it, the VCH's default holds.
    pub storage_opt: Marks,
    /// In-memory file systems (`--tmpfs`): for each absolute path in the container the mount options, separated by
    /// commas.
    pub tmpfs: Marks,
    /// The UTS namespace; only an empty text, the container's own, is accepted.
    #[serde(rename = "UTSMode")]
    pub uts_mode: Text,
    /// The user namespace: empty or `host`, both of which mean the VM's.
    pub userns_mode: Text,
    /// The size of /dev/shm in bytes; 0 for 64 MiB.
    pub shm_size: i64,
    /// Kernel parameters of the container: value by name, such as `net.core.somaxconn`.
    pub sysctls: Marks,
    /// The runtime; only empty or `vm` is accepted.
    pub runtime: Text,
    /// The isolation technology of Windows; only empty or `default` is accepted.
    pub isolation: Text,
    /// The weight of the container's processor time against the other processes of its VM; 0 for the default, 1,024.
    pub cpu_shares: i64,
    /// The memory limit in bytes, at least 6 MiB; 0 for the default of the VCH's configuration (`runtime.memory_mib`).
    pub memory: i64,
    /// The limit of processor time in billionths of a processor. If it is 0, [`HostConfig::cpu_quota`] holds, or else
    /// the VM's number of processors is the only limit. Not together with [`HostConfig::cpu_period`] or
    /// [`HostConfig::cpu_quota`].
    pub nano_cpus: i64,
    /// The parent of the container's cgroup. A VCH refuses every value but an empty one.
    pub cgroup_parent: Text,
    /// The weight of the container's block I/O, 10 to 1,000. A VCH refuses every value but 0.
    pub blkio_weight: i64,
    /// The weight of block I/O for single devices. A VCH refuses each entry.
    pub blkio_weight_device: Vec<Value>,
    /// Limits of bytes read per second from single devices. A VCH refuses each entry.
    pub blkio_device_read_bps: Vec<Value>,
    /// Limits of bytes written per second to single devices. A VCH refuses each entry.
    pub blkio_device_write_bps: Vec<Value>,
    /// Limits of reads per second from single devices. A VCH refuses each entry.
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Vec<Value>,
    /// Limits of writes per second to single devices. A VCH refuses each entry.
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Vec<Value>,
    /// The period of [`HostConfig::cpu_quota`] in microseconds, 1,000 to 1,000,000; 0 for 100,000.
    pub cpu_period: i64,
    /// Microseconds of processor time in each period, at least 1,000; 0 or less for no limit.
    pub cpu_quota: i64,
    /// The period of the real-time scheduler in microseconds. A VCH refuses every value but 0.
    pub cpu_realtime_period: i64,
    /// Microseconds of the real-time scheduler in each period. A VCH refuses every value but 0.
    pub cpu_realtime_runtime: i64,
    /// The VM's processors that the container may use, such as `0-2,4`; empty for all. The VM gets at least these
    /// processors. A number of a processor that the VCH does not have is refused.
    pub cpuset_cpus: Text,
    /// The VM's memory nodes that the container may use. Only empty and `0` are accepted, since a VM has one node.
    pub cpuset_mems: Text,
    /// Devices of the VM that the container gets in addition to Docker's default ones, such as `/dev/null`. Only a
    /// fixed list that every VM has is accepted, among them `/dev/fuse` and `/dev/net/tun`.
    pub devices: Vec<DeviceMapping>,
    /// Rules of the device cgroup, such as `c 1:3 rwm`. A VCH refuses each.
    pub device_cgroup_rules: Texts,
    /// Requests for devices by driver, such as GPUs. A VCH refuses each.
    pub device_requests: Vec<Value>,
    /// The limit of the kernel's memory in bytes. Ignored; API versions up to 1.41 get a warning.
    pub kernel_memory: i64,
    /// The limit of memory for TCP buffers in bytes. Ignored.
    #[serde(rename = "KernelMemoryTCP")]
    pub kernel_memory_tcp: i64,
    /// The memory in bytes, at least 6 MiB, that the VM's kernel takes from the container only after it has reclaimed
    /// from other processes (`memory.low` of cgroup v2); 0 for none.
    pub memory_reservation: i64,
    /// Memory and swap together in bytes; 0 for twice the memory, -1 for no limit. Without effect, since a VM has no
    /// swap; `docker inspect` shows it again.
    pub memory_swap: i64,
    /// How readily memory is swapped, 0 to 100; `None` or -1 for the default. Ignored with a warning.
    pub memory_swappiness: Option<i64>,
    /// Whether the kernel does not kill the container when memory runs out; `None` if the client did not say. Ignored with a
    /// warning.
    pub oom_kill_disable: Option<bool>,
    /// The maximum number of processes and threads; `None`, 0 or less for no limit.
    pub pids_limit: Option<i64>,
    /// Resource limits of the process.
    pub ulimits: Vec<Ulimit>,
    /// The number of processors on Windows. Without effect; `docker inspect` shows it again.
    pub cpu_count: i64,
    /// The share of processor time on Windows, in percent. Ignored with a warning.
    pub cpu_percent: i64,
    /// The limit of I/O operations per second on Windows. A VCH refuses every value but 0.
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    /// The limit of I/O bytes per second on Windows. A VCH refuses every value but 0.
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
    /// Mounts in the form of `docker run --mount`, as the client wrote them.
    /// [`create::plan`](crate::containers::create::plan) parses each as a [`Mount`].
    pub mounts: Vec<Value>,
    /// Absolute paths, such as files of /proc, that are hidden from the container; `None` for Docker's default ones, an
    /// empty list for none. Without effect in a privileged container.
    pub masked_paths: Option<Texts>,
    /// Absolute paths, such as files of /proc, that the container can only read; `None` for Docker's default ones, an
    /// empty list for none. Without effect in a privileged container.
    pub readonly_paths: Option<Texts>,
    /// Whether a small init runs as process 1 and reaps orphaned processes (`docker run --init`); `None` for no.
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

/// An address and port of the VCH that lead to a port of the container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostBinding {
    /// The IP address of the VCH; `0.0.0.0` or `::` for all addresses of that family. Empty for the address that the
    /// network's option [`HOST_BINDING`](crate::networks::options::HOST_BINDING) names, or else the VCH's default
    /// addresses for published ports.
    pub host_ip: Text,
    /// The port of the VCH. A range such as `8000-8010` stands for its first free port or, if the container's port is a
    /// range of the same length, for one port each. Empty or `0` for a port that the VCH chooses.
    pub host_port: Text,
}

/// A restart policy: when an ended container is started again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Policy {
    /// `no`, `always`, `unless-stopped` or `on-failure`; empty for `no`.
    pub name: Text,
    /// The maximum number of restarts in a row with `on-failure`; 0 for no limit. Other policies require 0.
    pub maximum_retry_count: i64,
}

/// A resource limit of the process (setrlimit(2)).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ulimit {
    /// The resource's name without `RLIMIT_`, in lower case, such as `nofile`.
    pub name: Text,
    /// The limit in force, which the process can raise up to [`Ulimit::hard`]; -1 for no limit.
    pub soft: i64,
    /// The maximum of the limit; -1 for no limit.
    pub hard: i64,
}

/// A mount in the form of `docker run --mount`. A VCH supports only the type `tmpfs`, and refuses others.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    /// The absolute path in the container, not `/`.
    pub target: Text,
    /// The directory or volume to mount; must be empty for a tmpfs.
    pub source: Text,
    /// The type: `tmpfs`, or one that is refused with 501: `bind`, `volume`, `image`, `npipe` or `cluster`. Any other
    /// text is refused with 400.
    pub r#type: Text,
    /// Whether the mount is read-only.
    pub read_only: bool,
    /// The options of the type `bind`; `None` for no options. A `tmpfs` with them is refused.
    pub bind_options: Option<Value>,
    /// The options of the type `volume`; `None` for no options. A `tmpfs` with them is refused.
    pub volume_options: Option<Value>,
    /// The options of the type `image`; `None` for no options. A `tmpfs` with them is refused.
    pub image_options: Option<Value>,
    /// The options of the type `cluster`; `None` for no options. They are not read.
    pub cluster_options: Option<Value>,
    /// The options of the type `tmpfs`.
    pub tmpfs_options: TmpfsOptions,
}

/// The options of an in-memory file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TmpfsOptions {
    /// The maximum size in bytes; 0 for the kernel's default, half of the VM's memory.
    pub size_bytes: i64,
    /// The permission bits of the file system's root directory as a number, 448 for `rwx------`; 0 for the kernel's
    /// default, `rwxrwxrwt`.
    pub mode: u32,
    /// Further options. Each is a list: `exec` or `noexec` alone, or `uid` or `gid` and a number as text. Others are
    /// refused.
    pub options: Vec<Vec<String>>,
}

/// A container's health check: a command that runs in the container at intervals, and succeeds with exit code 0. A
/// field that is empty or 0 has the image's value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// The check: `NONE` for no check; `CMD`, a program and its arguments; or `CMD-SHELL` and one shell command. Empty
    /// for the image's.
    pub test: Texts,
    /// Nanoseconds between two checks, at least 1,000,000; 0 for the image's, or else 30 s.
    pub interval: i64,
    /// Nanoseconds that a check may take, at least 1,000,000; 0 for the image's, or else 30 s.
    pub timeout: i64,
    /// Nanoseconds after the start in which failures do not count, at least 1,000,000; 0 for the image's, or else
    /// no such period.
    pub start_period: i64,
    /// Nanoseconds between two checks in the start period, at least 1,000,000; 0 for the image's, or else 5 s. Read
    /// since API 1.44.
    pub start_interval: i64,
    /// The number of failures in a row after which the container is unhealthy; 0 for the image's, or else 3.
    pub retries: i64,
}

/// Docker's `NetworkingConfig`: the container's endpoints on networks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkingConfig {
    /// The settings of each endpoint as JSON, by the name or ID of its network.
    /// [`create::plan`](crate::containers::create::plan) parses each as an
    /// [`EndpointSettings`](crate::networks::endpoint::EndpointSettings).
    pub endpoints_config: BTreeMap<String, Value>,
}

/// The words of a command line. Clients write them as a JSON list, or as one text, which becomes one word. `None`
/// if the client did not set them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringOrList(pub Option<Vec<String>>);

impl<'de> Deserialize<'de> for StringOrList {
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

impl StringOrList {
    /// Returns the words; an empty list if the client did not set them.
    pub fn list(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Returns a request's JSON without its nulls, as Go reads it: an object's key with null is the same as a missing key.
/// Nulls in lists stay. Three objects keep their keys: in `EndpointsConfig` and `ExposedPorts` a null becomes an empty
/// object, in `PortBindings` an empty list. Called before [`typed`](crate::json::typed) converts the body of a request
/// that creates or updates a container.
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
