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

/// The configuration that a container was created with: image, process, limits and options. It stays as it was at the
/// creation, except for [`resources`](Self::resources), [`restart`](Self::restart), [`awaited`](Self::awaited) and
/// [`api_document`](Self::api_document).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// The ID of the container's image, `sha256:…`.
    pub image: String,
    /// The image as the user named it, such as `nginx:latest`.
    pub image_name: String,
    /// The program and its first arguments (`Entrypoint`): the user's, or else the image's.
    pub entrypoint: Vec<String>,
    /// The arguments that follow [`entrypoint`](Self::entrypoint) (Docker's `Cmd`). They begin with the program if the
    /// entrypoint is empty.
    pub command: Vec<String>,
    /// Environment variables as `NAME=value`: the image's, then the user's. `NAME` alone removes a variable.
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
    /// Whether the process's standard input is closed when the first client that attached to it leaves (Docker's
    /// `StdinOnce`); otherwise it stays open for the next client.
    pub input_once: bool,
    /// Whether the user asked `docker create` to attach standard input, standard output and standard error, in this
    /// order. It has no effect; `docker inspect` shows it.
    pub attach: [bool; 3],
    /// The host name that the user gave; `None` if the user gave none, and the container's short ID is its host name.
    pub hostname: Option<String>,
    /// The NIS domain name that the user gave (`--domainname`); empty if the user gave none.
    pub domain: String,
    /// The name or number of the signal that stops the container; `None` for SIGTERM.
    pub stop_signal: Option<String>,
    /// The time between the stop signal and SIGKILL, in seconds; `None` for 10, negative for no limit.
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
    /// Whether a small init runs as process 1 in the container, starts the container's process and reaps orphaned ones
    /// (`docker run --init`); otherwise the container's process is process 1.
    pub reaper: bool,
    /// The names of two groups of Linux capabilities: first those added to Docker's default ones (`--cap-add`), then
    /// those dropped from them (`--cap-drop`).
    pub capabilities: [Vec<String>; 2],
    /// Whether the container is privileged: it has every capability and device, and writable /sys,
    /// /proc and cgroup tree.
    pub privileged: bool,
    /// Whether the process may do any system call (`--security-opt seccomp=unconfined`); otherwise a seccomp filter
    /// refuses those that Docker's default profile refuses, unless the container is privileged.
    pub unfiltered: bool,
    /// Whether the process can gain no privileges by executing a program, such as a set-user-ID one (`--security-opt
    /// no-new-privileges`, prctl(2)).
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
    /// Directories of the container that are volumes: `VOLUME` of the image, and `Volumes` of the user. They are made
    /// if they do not exist, and are writable even if the root file system is read-only.
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
    /// The size of the container's writable layer, the ext4 file system with all that it writes to its root file
    /// system, in bytes; `None` for the default of the coordinator's configuration.
    pub disk_bytes: Option<u64>,
    /// The value that is written to the process's `oom_score_adj` (proc(5)) in the VM, -1,000 to 1,000: the higher, the
    /// sooner the kernel kills the process when memory runs out.
    pub oom_score: i16,
    /// The network that `--network` named first, as the user wrote it; `bridge` if the user named
    /// no network. Older releases wrote `default` in that case.
    pub network_mode: String,
    /// Connections to networks that were not possible when the container was created. The next
    /// start makes them, or fails.
    pub awaited: Vec<Awaited>,
    /// The exposed ports, such as `80/tcp`, of which linked containers (`--link`) learn; `None` in a document that an
    /// older release wrote. [`exposed()`](Self::exposed()) returns the ports of documents of both kinds.
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
    /// Returns the exposed ports, such as `80/tcp`, that linked containers are told of; empty if there are no exposed
    /// ports. Reads them from [`Workload::api_document`] if the field `exposed` is `None`: releases up to 0.1.0 stored
    /// them there.
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

/// A connection of a container to a network that could not be made when the container was created, since the network
/// did not exist or the address was not free. The container's next start makes it, or fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// The network's name or ID, as the user wrote it.
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
    /// Returns the ledger command that makes this connection for `container`. Sends nothing.
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

/// The settings of a container's health check, as Docker's `Healthcheck` has them. A duration or number of 0 means
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

/// A container's limits of memory, processors and processes. They are set in its VM, and the VM's own memory and number
/// of processors follow from them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// The maximum memory of the container's processes, in bytes; the VM gets 96 MiB more, for its kernel. 0 for no
    /// limit but the VM's memory, which is then the default of the coordinator's configuration.
    pub memory: i64,
    /// The limit of memory and swap together, in bytes; -1 for no limit. It has no effect, since a VM has no swap;
    /// `docker inspect` shows it.
    pub memory_swap: i64,
    /// The memory in bytes below which the guest's kernel reclaims memory from other processes
    /// first (`memory.low`); 0 for none.
    pub memory_reservation: i64,
    /// The limit of processor time, in billionths of one processor (`--cpus`): 1,500,000,000 is one and a half
    /// processors. 0 if `--cpus` was not given.
    pub nano_cpus: i64,
    /// The weight of the container's processor time against the other processes of its VM (`--cpu-shares`), 2 to
    /// 262,144; 0 for Docker's default, 1,024.
    pub cpu_shares: i64,
    /// The period of [`Self::cpu_quota`] in microseconds; 0 for 100,000.
    pub cpu_period: i64,
    /// The limit of processor time, in microseconds in each period of [`Self::cpu_period`]; 0 or less for no limit.
    /// Without effect if [`Self::nano_cpus`] is set.
    pub cpu_quota: i64,
    /// The numbers of the VM's processors that the container may use, such as `0-2,4`; empty for all. The VM gets as
    /// many processors as the highest number needs, at most 64.
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

    /// Returns the period of [`Self::cpu_quota`] in microseconds: [`cpu_period`](Self::cpu_period), or 100,000 if that
    /// is not positive.
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
    /// The occasions on which the coordinator starts the container again.
    pub when: RestartWhen,
    /// The maximum number of restarts in a row, for [`RestartWhen::OnFailure`]; 0 for no limit. The other occasions
    /// ignore it.
    pub most: u32,
}

/// The occasions on which a container is started again, named as in Docker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartWhen {
    /// The container is never started again.
    #[default]
    No,
    /// The container is started again when it ends by itself with an exit code other than 0, and when the coordinator
    /// starts if the container ran, or waited for a restart, when the host went down.
    OnFailure,
    /// The container is started again whenever it ends by itself. When the coordinator starts, it is started if it was
    /// ever started before, even if a user has stopped it.
    Always,
    /// As [`Self::Always`], but a container that a user has stopped is not started when the coordinator starts.
    UnlessStopped,
}

/// The state of a container's present run, or of its last one. The ledger keeps it as a JSON
/// document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunState {
    /// The container's status now.
    pub status: Status,
    /// The exit code of the last run, or of the start that failed; 0 while the container runs or if it was never
    /// started.
    pub exit_code: i32,
    /// Why the last start failed, or why the VM ended before the container's process, in words for the user; empty if
    /// neither happened.
    pub error: String,
    /// Whether the guest's kernel killed the process of the last run because the container ran out of memory.
    pub out_of_memory: bool,
    /// When the process last started, in milliseconds since 1970; 0 for never.
    pub started_ms: u64,
    /// When the process last ended, in milliseconds since 1970; 0 for never.
    pub finished_ms: u64,
    /// How many times in a row the restart policy has started the container. A start by a user sets
    /// it to 0.
    pub restarts: u32,
    /// Whether a user's request ended the last run. If so, the restart policy does not start the container again at
    /// that end, and `unless-stopped` does not start it when the coordinator starts. A start sets it to `false`.
    pub stopped_by_user: bool,
    /// The process ID of the VM's shim process on the host; 0 if the container does not run.
    pub pid: u32,
    /// The size of the container's VM in its present or last run.
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

/// The status of a container, named as in Docker. A container whose VM is being started still has its status from
/// before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The container's process has never run.
    #[default]
    Created,
    /// The container's process runs in its VM.
    Running,
    /// The container has ended, and waits to be started again by its restart policy.
    Restarting,
    /// The container has ended, and does not wait for a restart.
    Exited,
    /// The container is being removed.
    Removing,
}

#[cfg(test)]
mod tests;
