//! What a container's VM is to run, and the state of its runs: two JSON documents that the ledger
//! keeps with the container.
//!
//! The ledger does not read the documents. Fields are only ever added, each with a default.

use protocol::spec::{Hostname, InterfaceName, MacAddress};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{Connect, ContainerId, Rate};

/// The configuration that a container was created with. It does not change, except for
/// [`Workload::resources`], [`Workload::restart`] and [`Workload::awaited`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// The image's ID, `sha256:…`.
    pub image: String,
    /// The image as the user named it.
    pub image_name: String,
    /// The program and its first arguments (`Entrypoint`): the user's, or else the image's.
    pub entrypoint: Vec<String>,
    /// The further arguments (`Cmd`).
    pub command: Vec<String>,
    /// Environment variables as `NAME=value`: the image's, then the user's.
    pub environment: Vec<String>,
    /// The working directory; empty for `/`.
    #[serde(rename = "folder")]
    pub dir: String,
    /// The user, and the group behind a colon; empty for root.
    pub user: String,
    /// Supplementary groups.
    pub groups: Vec<String>,
    /// The labels of the image and of the user.
    pub labels: BTreeMap<String, String>,
    /// Whether the process has a terminal.
    pub terminal: bool,
    /// Whether standard input stays open.
    pub input: bool,
    /// Whether standard input closes when the first attached client leaves.
    pub input_once: bool,
    /// The streams that `docker create` was to attach to: standard input, output, error.
    pub attach: [bool; 3],
    /// The host name that the user gave.
    pub hostname: Option<String>,
    /// The domain name that the user gave.
    pub domain: String,
    /// The signal that stops the container; `None` for SIGTERM.
    pub stop_signal: Option<String>,
    /// Seconds between the stop signal and SIGKILL; `None` for 10.
    pub stop_timeout: Option<i64>,
    /// The health check.
    pub health: Option<HealthCheck>,
    /// Memory and processors.
    pub resources: Resources,
    /// The restart policy.
    pub restart: RestartPolicy,
    /// Whether the container is removed when it ends.
    pub remove_at_end: bool,
    /// Whether the root file system is read-only.
    pub read_only: bool,
    /// Whether a small init runs as process 1.
    pub reaper: bool,
    /// Capabilities that are added to Docker's default ones, and those that are dropped, as the
    /// user wrote them.
    pub capabilities: [Vec<String>; 2],
    /// Whether the container is privileged: it has every capability and device, and writable /sys,
    /// /proc and cgroup tree.
    pub privileged: bool,
    /// Whether system calls are not filtered (`--security-opt seccomp=unconfined`).
    pub unfiltered: bool,
    /// Whether the process can gain no privileges (`--security-opt no-new-privileges`).
    pub no_new_privileges: bool,
    /// In-memory file systems: mount options by path.
    pub tmpfs: BTreeMap<String, String>,
    /// Kernel parameters (sysctl): value by name.
    pub sysctls: BTreeMap<String, String>,
    /// Resource limits (setrlimit(2)): name, soft limit, hard limit.
    pub limits: Vec<(String, i64, i64)>,
    /// The size of /dev/shm in bytes; `None` for 64 MiB, 0 for no such file system (`--ipc none`).
    pub shm_bytes: Option<i64>,
    /// Directories of the image that must exist and be writable: `VOLUME` of the image, `Volumes`
    /// of the user.
    pub volumes: Vec<String>,
    /// Devices of the VM that the container has beside the usual ones.
    pub devices: Vec<Device>,
    /// Kernel files that are hidden from the container; `None` for Docker's default.
    pub masked_paths: Option<Vec<String>>,
    /// Kernel files that are read-only in the container; `None` for Docker's default.
    pub read_only_paths: Option<Vec<String>>,
    /// Rows and columns of the terminal when the process starts; `None` for 24 and 80.
    pub console_size: Option<[u16; 2]>,
    /// Bytes that the container may write to its root file system; `None` for the VCH's default.
    pub disk_bytes: Option<u64>,
    /// The process's adjustment of the OOM score (proc(5), `oom_score_adj`).
    pub oom_score: i16,
    /// The network that `--network` named first, as the user wrote it; `bridge` if the user named
    /// no network. Older releases wrote `default` for that.
    pub network_mode: String,
    /// Endpoints that were not possible when the container was created. The next start connects
    /// them, or fails.
    pub awaited: Vec<Awaited>,
    /// Ports that linked containers are told of, as `80/tcp`; `None` in a document of an older
    /// release: see [`Self::exposed`].
    pub exposed: Option<Vec<String>>,
    /// A document of the API that created the container, from which that API shows it again. The
    /// runtime does not read it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub shown: Value,
    /// The options of the log.
    pub log: BTreeMap<String, String>,
}

impl Workload {
    /// Returns the ports that linked containers are told of. Releases up to 0.1.0 stored them in
    /// [`Workload::shown`].
    pub fn exposed(&self) -> Vec<String> {
        if let Some(exposed) = &self.exposed {
            return exposed.clone();
        }
        let exposed = self.shown.get("exposed").map(Vec::deserialize);
        exposed.and_then(Result::ok).unwrap_or_default()
    }
}

/// A device of the VM that a container has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// The path in the VM, such as `/dev/net/tun`.
    pub source: String,
    /// The path in the container.
    pub path: String,
    /// The permitted access: some of `r`, `w` and `m`.
    pub access: String,
}

/// An endpoint on a network that does not exist yet, or whose address is not free.
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

/// A container's health check. Zero means Docker's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// The check: `NONE`; or `CMD` and arguments; or `CMD-SHELL` and a shell command.
    pub test: Vec<String>,
    /// Nanoseconds between two checks; 0 for 30 s.
    pub interval_ns: i64,
    /// Nanoseconds that a check may take; 0 for 30 s.
    pub timeout_ns: i64,
    /// Nanoseconds from the start in which failures do not count.
    pub start_period_ns: i64,
    /// Nanoseconds between two checks in the start period; 0 for 5 s.
    pub start_interval_ns: i64,
    /// Failures in a row after which the container is unhealthy; 0 for 3.
    pub retries: i64,
}

/// Limits of a container in its VM, from which the VM's size follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// The container's memory in bytes; 0 for the VCH's default.
    pub memory: i64,
    /// Memory and swap together in bytes; -1 for no limit. A VM has no swap, so every value of at
    /// least [`Self::memory`] is met.
    pub memory_swap: i64,
    /// Memory in bytes that is reclaimed from the container last; 0 for none.
    pub memory_reservation: i64,
    /// Billionths of a processor; 0 for the VCH's default.
    pub nano_cpus: i64,
    /// The weight of the container's processor time, 1,024 by default; 0 for the default.
    pub cpu_shares: i64,
    /// The period of [`Self::cpu_quota`] in microseconds; 0 for 100,000.
    pub cpu_period: i64,
    /// Microseconds of processor time in each period; 0 or less for no limit.
    pub cpu_quota: i64,
    /// The VM's processors that the container may use, such as `0-2,4`; empty for all.
    pub cpuset_cpus: String,
    /// The VM's memory nodes that the container may use, in the same form.
    pub cpuset_mems: String,
    /// The maximum number of processes and threads; 0 for no limit.
    pub tasks: i64,
}

/// The period of a quota that names no period, in microseconds, as in Docker.
const CPU_PERIOD_US: i64 = 100_000;

impl Resources {
    /// Returns how much processor time the container may use, in billionths of a processor; 0 for
    /// no limit.
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

/// A container's restart policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// When the container is started again.
    pub when: RestartWhen,
    /// The maximum number of restarts with `on-failure`; 0 for no limit.
    pub most: u32,
}

/// When a container is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartWhen {
    /// Never.
    #[default]
    No,
    /// When its exit code is not 0.
    OnFailure,
    /// Whenever it ends by itself, and when the VCH starts.
    Always,
    /// As [`Self::Always`], but not after a user stopped it.
    UnlessStopped,
}

/// The state of a container's present or last run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunState {
    /// The container's status now.
    pub status: Status,
    /// The last exit code.
    pub exit_code: i32,
    /// Why the last start failed; empty if it did not.
    pub error: String,
    /// Whether the guest's kernel killed the container because it ran out of memory.
    pub out_of_memory: bool,
    /// When the process last started, in milliseconds since 1970; 0 for never.
    pub started_ms: u64,
    /// When the process last ended, in milliseconds since 1970; 0 for never.
    pub finished_ms: u64,
    /// How many times the restart policy has started the container in a row.
    pub restarts: u32,
    /// Whether a user stopped the container. The restart policy `unless-stopped` then does not
    /// start it when the VCH starts.
    pub stopped_by_user: bool,
    /// The process number of the VM's shim on the VCH.
    pub pid: u32,
    /// The size of the running VM.
    pub vm: VmSize,
}

/// The size of a VM, which does not change while the VM runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmSize {
    /// Memory in MiB; 0 if it is not known.
    pub memory_mib: u32,
    /// The number of processors; 0 if it is not known.
    pub cpus: u16,
}

/// The status of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The container was never started.
    #[default]
    Created,
    /// The container's VM exists.
    Running,
    /// The container waits to be started again by its restart policy.
    Restarting,
    /// The container has ended.
    Exited,
    /// The container is being removed.
    Removing,
}

#[cfg(test)]
mod tests;
