//! What a container's VM runs, and how its lives went: kept beside its row in the ledger, as JSON.
//!
//! The ledger does not read them. Fields are only ever added, with a default.

use protocol::spec::{Hostname, InterfaceName, MacAddress};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{Connect, ContainerId};

/// What a container was created to run. It does not change, but for [`Workload::resources`],
/// [`Workload::restart`] and [`Workload::awaited`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// The image's ID, `sha256:…`.
    pub image: String,
    /// The image as the user named it.
    pub image_name: String,
    /// What is run first (`Entrypoint`), the image's where the user gave none.
    pub entrypoint: Vec<String>,
    /// Its arguments (`Cmd`).
    pub command: Vec<String>,
    /// `NAME=value`: the image's, then the user's.
    pub environment: Vec<String>,
    /// Working directory; empty for `/`.
    #[serde(rename = "folder")]
    pub dir: String,
    /// User, and group behind a colon; empty for root.
    pub user: String,
    /// Further groups.
    pub groups: Vec<String>,
    /// The user's marks and the image's.
    pub labels: BTreeMap<String, String>,
    /// A terminal.
    pub terminal: bool,
    /// Standard input stays open.
    pub input: bool,
    /// It ends with the first client that was attached to it.
    pub input_once: bool,
    /// What `docker create` was to attach to: standard input, output, error.
    pub attach: [bool; 3],
    /// The host name that the user gave.
    pub hostname: Option<String>,
    /// The domain name that the user gave.
    pub domain: String,
    /// What stops it; `None` for SIGTERM.
    pub stop_signal: Option<String>,
    /// Seconds between that and SIGKILL; `None` for 10.
    pub stop_timeout: Option<i64>,
    /// How its health is seen.
    pub health: Option<HealthCheck>,
    /// Memory and processors.
    pub resources: Resources,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// It is removed when it ends.
    pub remove_at_end: bool,
    /// Its root file system can't be written.
    pub read_only: bool,
    /// A small init as process 1.
    pub reaper: bool,
    /// Capabilities beyond Docker's default ones, and those taken away, as the user wrote them.
    pub capabilities: [Vec<String>; 2],
    /// It has the whole VM: every capability and device, a writable /sys, /proc and cgroup tree.
    pub privileged: bool,
    /// No filter of system calls (`--security-opt seccomp=unconfined`).
    pub unfiltered: bool,
    /// May gain no privileges.
    pub no_new_privileges: bool,
    /// File systems in memory: path, options.
    pub tmpfs: BTreeMap<String, String>,
    /// Kernel parameters.
    pub sysctls: BTreeMap<String, String>,
    /// Limits of setrlimit(2): name, soft, hard.
    pub limits: Vec<(String, i64, i64)>,
    /// Bytes of /dev/shm; `None` for 64 MiB, 0 for no such file system (`--ipc none`).
    pub shm_bytes: Option<i64>,
    /// Directories of the image that are to be there and writable: `VOLUME` of the image, `Volumes` of the user.
    pub volumes: Vec<String>,
    /// Devices of the VM that it has beside the usual ones.
    pub devices: Vec<Device>,
    /// What of the kernel's own files it does not see; `None` for Docker's choice.
    pub masked_paths: Option<Vec<String>>,
    /// What of them it can't write; `None` for Docker's choice.
    pub read_only_paths: Option<Vec<String>>,
    /// Rows and columns of its terminal when its process starts; `None` for 24 and 80.
    pub console_size: Option<[u16; 2]>,
    /// Bytes that it may write to its root file system; `None` for the VCH's default.
    pub disk_bytes: Option<u64>,
    /// For the guest's kernel when memory runs out.
    pub oom_score: i16,
    /// The network that `--network` named first, as the user wrote it: `bridge` for none, `default` by an older release.
    pub network_mode: String,
    /// Endpoints that it could not have when it was made: it gets them at its next start, or does not start.
    pub awaited: Vec<Awaited>,
    /// Ports of which containers that are linked to it are told, as `80/tcp`; `None` in a document that an older release
    /// wrote: see [`Self::exposed`].
    pub exposed: Option<Vec<String>>,
    /// A document of the API that made it, which shows it again; the runtime does not read it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub shown: Value,
    /// Options of the log.
    pub log: BTreeMap<String, String>,
}

impl Workload {
    /// Returns the ports of which linked containers are told. Releases up to 0.1.0 kept them with what is shown.
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
    /// In the VM, as `/dev/net/tun`.
    pub source: String,
    /// In the container.
    pub path: String,
    /// Some of `r`, `w` and `m`.
    pub access: String,
}

/// An endpoint on a network that is not there yet, or whose address is not free.
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
    /// Containers as the user named them, each with its name here.
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
            links: links
                .map(|(whom, name)| (whom.to_string(), name.clone()))
                .collect(),
        }
    }
}

impl Awaited {
    /// What the ledger is asked for it.
    pub fn connect(&self, container: ContainerId) -> Connect {
        let links = self.links.iter();
        Connect {
            addresses: self.addresses.clone(),
            mac: self.mac,
            aliases: self.aliases.clone(),
            interface: self.interface.clone(),
            sysctls: self.sysctls.clone(),
            gateway_priority: self.gateway_priority,
            links: links
                .map(|(whom, name)| (whom.as_str().into(), name.clone()))
                .collect(),
            ..Connect::tap(container, self.network.as_str())
        }
    }
}

/// How a container's health is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// `NONE`, or `CMD` and words, or `CMD-SHELL` and a line.
    pub test: Vec<String>,
    /// Nanoseconds between two checks; 0 for 30 s.
    pub interval_ns: i64,
    /// Nanoseconds that one may take; 0 for 30 s.
    pub timeout_ns: i64,
    /// Nanoseconds from the start in which failures do not count.
    pub start_period_ns: i64,
    /// Nanoseconds between two checks in that period; 0 for 5 s.
    pub start_interval_ns: i64,
    /// Failures in a row until it is unhealthy; 0 for 3.
    pub retries: i64,
}

/// What the container may use of its VM, and what its VM has for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Bytes of memory of the container; 0 for the VCH's default.
    pub memory: i64,
    /// Bytes of memory and swap together; -1 for no limit. A VM has no swap: any value that is not less than
    /// [`Self::memory`] is in force by itself.
    pub memory_swap: i64,
    /// Bytes of memory that are the container's when memory is short; 0 for none.
    pub memory_reservation: i64,
    /// Billionths of a processor; 0 for the VCH's default.
    pub nano_cpus: i64,
    /// Share of processor time beside others, 1,024 in the middle; 0 for that.
    pub cpu_shares: i64,
    /// Microseconds in which [`Self::cpu_quota`] may be used; 0 for 100,000.
    pub cpu_period: i64,
    /// Microseconds of processor time in each period; 0 or less for no limit.
    pub cpu_quota: i64,
    /// The VM's processors that it may use, as `0-2,4`; empty for all.
    pub cpuset_cpus: String,
    /// The VM's memory nodes that it may use, the same.
    pub cpuset_mems: String,
    /// Most processes and threads; 0 for no limit.
    pub tasks: i64,
}

/// As usual where a quota names no period: microseconds.
const CPU_PERIOD_US: i64 = 100_000;

impl Resources {
    /// Returns how much processor time the container may use, in billionths of a processor; 0 for no limit.
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

/// When a container is started again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// On what.
    pub when: RestartWhen,
    /// For `on-failure`: how often at most; 0 for no limit.
    pub most: u32,
}

/// On what a container is started again.
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
    /// The same, but for one that a user stopped.
    UnlessStopped,
}

/// How a container's present or last life went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Life {
    /// How it is now.
    pub status: Status,
    /// The last exit code.
    pub exit_code: i32,
    /// Why it did not start, in words.
    pub error: String,
    /// The guest's kernel killed it for want of memory.
    pub out_of_memory: bool,
    /// When its process started last, milliseconds since 1970; 0 for never.
    pub started_ms: u64,
    /// When it ended last.
    pub finished_ms: u64,
    /// How often it was started again by its policy.
    pub restarts: u32,
    /// A user stopped it: its policy does not start it when the VCH starts.
    pub stopped_by_user: bool,
    /// The shim's process, as the VCH counts them.
    pub pid: u32,
    /// What its VM was started with.
    pub vm: VmSize,
}

/// What a VM has until it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmSize {
    /// Memory; 0 where it is not known.
    pub memory_mib: u32,
    /// Processors; 0 where it is not known.
    pub cpus: u16,
}

/// How a container is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Never started.
    #[default]
    Created,
    /// Its VM is there.
    Running,
    /// It waits to be started again by its policy.
    Restarting,
    /// It has ended.
    Exited,
    /// It is being removed.
    Removing,
}

#[cfg(test)]
mod tests;
