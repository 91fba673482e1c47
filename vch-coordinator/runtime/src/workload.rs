//! The description of what a container's VM is to run ([`Workload`]), and the state of its runs
//! ([`RunState`]). They are two JSON documents that the ledger keeps with the container and does
//! not read.
//!
//! Fields are only ever added, each with a default, so that a release can read the documents of
//! older ones.

use protocol::spec::{Hostname, InterfaceName, MacAddress};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{Connect, ContainerId, Rate};

/// The configuration that a container was created with: image, process, limits and options. It does
/// not change, except for [`resources`](Self::resources), [`restart`](Self::restart),
/// [`awaited`](Self::awaited) and [`api_document`](Self::api_document).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// The ID of the container's image, `sha256:…`.
    pub image: String,
    /// The image as the user named it, such as `nginx:latest`.
    pub image_name: String,
    /// The program and its first arguments (`Entrypoint`): the user's, or else the image's.
    pub entrypoint: Vec<String>,
    /// The arguments that follow [`entrypoint`](Self::entrypoint) (Docker's `Cmd`).
    pub command: Vec<String>,
    /// Environment variables as `NAME=value`: the image's, then the user's.
    pub environment: Vec<String>,
    /// The working directory of the process; empty for `/`.
    #[serde(rename = "folder")]
    pub dir: String,
    /// The user that the process runs as, by name or number, with an optional group: `user` or
    /// `user:group`. Empty for root.
    pub user: String,
    /// Further groups of the process (`--group-add`), by name or number.
    pub groups: Vec<String>,
    /// The labels of the image and of the user.
    pub labels: BTreeMap<String, String>,
    /// Whether the process has a terminal (`docker run --tty`).
    pub terminal: bool,
    /// Whether the process has a standard input that clients can write to (`docker run
    /// --interactive`). Otherwise its standard input is empty.
    pub input: bool,
    /// Whether standard input is closed when the first client that attached to it leaves
    /// (`StdinOnce`).
    pub input_once: bool,
    /// Whether the user asked `docker create` to attach standard input, standard output and
    /// standard error. Only shown again.
    pub attach: [bool; 3],
    /// The host name that the user gave; `None` if the user gave none.
    pub hostname: Option<String>,
    /// The domain name that the user gave; empty if the user gave none.
    pub domain: String,
    /// The name or number of the signal that stops the container; `None` for SIGTERM.
    pub stop_signal: Option<String>,
    /// The seconds between the stop signal and SIGKILL; `None` for 10, negative for no limit.
    pub stop_timeout: Option<i64>,
    /// The container's health check; `None` if neither the image nor the user set one.
    pub health: Option<HealthCheck>,
    /// The container's limits of memory, processors and processes.
    pub resources: Resources,
    /// Whether and when the container is started again after it ended.
    pub restart: RestartPolicy,
    /// Whether the container is removed when it ends (`docker run --rm`).
    pub remove_at_end: bool,
    /// Whether the container's root file system is read-only (`docker run --read-only`).
    pub read_only: bool,
    /// Whether a small init runs as process 1 and reaps orphaned processes (`docker run --init`).
    pub reaper: bool,
    /// The names of two groups of Linux capabilities: those added to Docker's default ones
    /// (`--cap-add`), and those dropped (`--cap-drop`).
    pub capabilities: [Vec<String>; 2],
    /// Whether the container is privileged: it has every capability and device, and writable /sys,
    /// /proc and cgroup tree.
    pub privileged: bool,
    /// Whether system calls are not filtered (`--security-opt seccomp=unconfined`).
    pub unfiltered: bool,
    /// Whether the process can gain no privileges (`--security-opt no-new-privileges`).
    pub no_new_privileges: bool,
    /// In-memory file systems (`--tmpfs`): for each path in the container, its mount options.
    pub tmpfs: BTreeMap<String, String>,
    /// Kernel parameters (`--sysctl`): for each name, its value.
    pub sysctls: BTreeMap<String, String>,
    /// Resource limits (setrlimit(2), `--ulimit`): name such as `nofile`, soft limit, hard limit.
    /// -1 means no limit.
    pub limits: Vec<(String, i64, i64)>,
    /// The size of /dev/shm in bytes; `None` for 64 MiB, 0 for no such file system (`--ipc none`).
    pub shm_bytes: Option<i64>,
    /// Directories of the container that must exist and be writable: `VOLUME` of the image, and
    /// `Volumes` of the user.
    pub volumes: Vec<String>,
    /// Devices of the VM that the container has beside Docker's default ones (`--device`).
    pub devices: Vec<Device>,
    /// Paths, such as files of /proc, that are hidden from the container; `None` for Docker's
    /// default ones.
    pub masked_paths: Option<Vec<String>>,
    /// Paths, such as files of /proc, that the container can only read; `None` for Docker's default
    /// ones.
    pub read_only_paths: Option<Vec<String>>,
    /// The rows and columns of the terminal when the process starts; `None` for 24 rows and 80
    /// columns.
    pub console_size: Option<[u16; 2]>,
    /// How many bytes the container may write to its root file system; `None` for the default of
    /// the coordinator's configuration.
    pub disk_bytes: Option<u64>,
    /// The process's adjustment of the OOM score (proc(5), `oom_score_adj`).
    pub oom_score: i16,
    /// The network that `--network` named first, as the user wrote it; `bridge` if the user named
    /// no network. Older releases wrote `default` in that case.
    pub network_mode: String,
    /// Connections to networks that were not possible when the container was created. The next
    /// start makes them, or fails.
    pub awaited: Vec<Awaited>,
    /// The exposed ports, such as `80/tcp`, of which linked containers (`--link`) learn; `None` in
    /// a document of an older release. [`exposed()`](Self::exposed()) reads both.
    pub exposed: Option<Vec<String>>,
    /// JSON in which the API that created the container keeps what only its own answers need
    /// (`docker inspect`). The runtime does not read it.
    #[serde(rename = "shown", skip_serializing_if = "Value::is_null")]
    pub api_document: Value,
    /// The options of the container's log, such as `max-size`: for each name, its value
    /// (`--log-opt`).
    pub log: BTreeMap<String, String>,
}

impl Workload {
    /// Returns the ports that linked containers are told of. Releases up to 0.1.0 stored them in
    /// [`Workload::api_document`].
    pub fn exposed(&self) -> Vec<String> {
        if let Some(exposed) = &self.exposed {
            return exposed.clone();
        }
        let exposed = self.api_document.get("exposed").map(Vec::deserialize);
        exposed.and_then(Result::ok).unwrap_or_default()
    }
}

/// A device node of the VM that a container may use (`docker run --device`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// The path of the device node in the VM, such as `/dev/net/tun`.
    pub source: String,
    /// The path of the device node in the container.
    pub path: String,
    /// The permitted access, some of the letters `r` (read), `w` (write) and `m` (mknod).
    pub access: String,
}

/// A container's connection to a network that was not possible when the container was created: the
/// network did not exist, or the address was not free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// The network as the user named it.
    pub network: String,
    addresses: Vec<IpAddr>,
    mac: Option<MacAddress>,
    aliases: Vec<Hostname>,
    #[serde(default)]
    interface: Option<InterfaceName>,
    #[serde(default)]
    sysctls: BTreeMap<String, String>,
    gateway_priority: i32,
    #[serde(default)]
    rate: Option<Rate>,
    /// Linked containers as the user named them, each with its alias.
    links: Vec<(String, Hostname)>,
}

impl From<&Connect> for Awaited {
    fn from(request: &Connect) -> Self {
        let links = request.links.iter();
        Self {
            network: request.network.to_string(),
            addresses: request.addresses.clone(),
            mac: request.mac,
            aliases: request.aliases.clone(),
            interface: request.interface.clone(),
            sysctls: request.sysctls.clone(),
            gateway_priority: request.gateway_priority,
            rate: request.rate,
            links: links
                .map(|(whom, name)| (whom.to_string(), name.clone()))
                .collect(),
        }
    }
}

impl Awaited {
    /// Returns the ledger command that connects `container` to the network.
    pub fn connect(&self, container: ContainerId) -> Connect {
        let links = self.links.iter();
        Connect {
            addresses: self.addresses.clone(),
            mac: self.mac,
            aliases: self.aliases.clone(),
            interface: self.interface.clone(),
            sysctls: self.sysctls.clone(),
            gateway_priority: self.gateway_priority,
            rate: self.rate,
            links: links
                .map(|(whom, name)| (whom.as_str().into(), name.clone()))
                .collect(),
            ..Connect::tap(container, self.network.as_str())
        }
    }
}

/// A container's health check, as Docker's `Healthcheck` has it. A duration or number of 0 means
/// Docker's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// The command of the check: `NONE` (no check), or `CMD` and the program with its arguments, or
    /// `CMD-SHELL` and one shell command.
    pub test: Vec<String>,
    /// Nanoseconds between two checks; 0 for 30 s.
    pub interval_ns: i64,
    /// Nanoseconds that a check may take; 0 for 30 s.
    pub timeout_ns: i64,
    /// Nanoseconds from the container's start in which failures do not count; 0 for none.
    pub start_period_ns: i64,
    /// Nanoseconds between two checks in the start period; 0 for 5 s.
    pub start_interval_ns: i64,
    /// The number of failures in a row that make the container unhealthy; 0 for 3.
    pub retries: i64,
}

/// A container's limits in its VM. The VM's memory and number of processors follow from them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// The container's memory in bytes; 0 for the default of the coordinator's configuration.
    pub memory: i64,
    /// The limit of memory and swap together, in bytes; -1 for no limit. It has no effect, since a
    /// VM has no swap; it is only shown again.
    pub memory_swap: i64,
    /// The memory in bytes below which the guest's kernel reclaims memory from other processes
    /// first (`memory.low`); 0 for none.
    pub memory_reservation: i64,
    /// The limit of processor time, in billionths of one processor (`--cpus`); 0 if none is set in
    /// this way.
    pub nano_cpus: i64,
    /// The weight of the container's processor time against the other processes of its VM; 0 for
    /// Docker's default, 1,024.
    pub cpu_shares: i64,
    /// The period of [`Self::cpu_quota`] in microseconds; 0 for 100,000.
    pub cpu_period: i64,
    /// The limit of processor time, in microseconds in each period; 0 or less for no limit.
    /// [`Self::nano_cpus`] has precedence.
    pub cpu_quota: i64,
    /// The VM's processors that the container may use, such as `0-2,4`; empty for all. The VM has
    /// at least these processors.
    pub cpuset_cpus: String,
    /// The VM's NUMA memory nodes that the container may use, such as `0`; empty for all.
    pub cpuset_mems: String,
    /// The maximum number of processes and threads; 0 or less for no limit.
    pub tasks: i64,
}

/// The period of a quota that names no period, in microseconds, as in Docker.
const CPU_PERIOD_US: i64 = 100_000;

impl Resources {
    /// Returns the limit of processor time in billionths of a processor, from
    /// [`nano_cpus`](Self::nano_cpus) or else from the quota; 0 for no limit.
    pub fn processors_nano(&self) -> i64 {
        if self.nano_cpus > 0 {
            return self.nano_cpus;
        }
        let quota = self.cpu_quota.max(0).saturating_mul(1_000_000_000);
        quota / self.period_us()
    }

    /// Returns the period of [`Self::cpu_quota`], in microseconds.
    pub fn period_us(&self) -> i64 {
        if self.cpu_period > 0 {
            self.cpu_period
        } else {
            CPU_PERIOD_US
        }
    }
}

/// A container's restart policy: whether and when the coordinator starts the container again after
/// it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// The occasions on which the container is started again.
    pub when: RestartWhen,
    /// The maximum number of restarts in a row, for [`RestartWhen::OnFailure`]; 0 for no limit.
    pub most: u32,
}

/// The occasions on which a container is started again, named as in Docker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartWhen {
    /// The container is never started again.
    #[default]
    No,
    /// The container is started again when its exit code is not 0, and when the coordinator starts
    /// if it ran when the host went down.
    OnFailure,
    /// The container is started again whenever it ends by itself, and when the coordinator starts.
    Always,
    /// As [`Self::Always`], but not when the coordinator starts if a user had stopped the
    /// container.
    UnlessStopped,
}

/// The state of a container's present run, or of its last one. The ledger keeps it as a JSON
/// document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunState {
    /// The container's status now.
    pub status: Status,
    /// The exit code of the last run; 0 while the container runs.
    pub exit_code: i32,
    /// Why the last start failed, or why the VM ended before the process, in words; empty if
    /// neither happened.
    pub error: String,
    /// Whether the guest's kernel killed the container because it ran out of memory.
    pub out_of_memory: bool,
    /// When the process last started, in milliseconds since 1970; 0 for never.
    pub started_ms: u64,
    /// When the process last ended, in milliseconds since 1970; 0 for never.
    pub finished_ms: u64,
    /// How many times in a row the restart policy has started the container. A start by a user sets
    /// it to 0.
    pub restarts: u32,
    /// Whether a user stopped the container. If so, the restart policy `unless-stopped` does not
    /// start it when the coordinator starts.
    pub stopped_by_user: bool,
    /// The process ID of the VM's shim process on the host; 0 if the container does not run.
    pub pid: u32,
    /// The size of the container's VM in its last run.
    pub vm: VmSize,
}

/// The size of a VM. It does not change while the VM runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmSize {
    /// Memory in MiB; 0 if it is not known.
    pub memory_mib: u32,
    /// The number of processors; 0 if it is not known.
    pub cpus: u16,
}

/// The status of a container, named as in Docker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The container was never started.
    #[default]
    Created,
    /// The container's process runs in its VM.
    Running,
    /// The container has ended, and waits to be started again by its restart policy.
    Restarting,
    /// The container has ended.
    Exited,
    /// The container is being removed.
    Removing,
}

#[cfg(test)]
mod tests;
