//! Docker's `HostConfig` in the response of `docker inspect`. Settings that a VCH carries out are shown as they are
//! in force, the others as the client wrote them.

use super::{key, list};
use crate::{
    containers::{
        create::{DEFAULT, RUNTIME, network},
        endpoint::BindingResponse,
        view::ContainerView,
        written::{DeviceMapping, LogConfig, WrittenHost},
    },
    json::{Empty, Ordered},
    networks::endpoint::link_parts,
    prune::some,
};
use protocol::process::{COVERED, READ_ONLY};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use vch_runtime::workload::{RestartWhen, Workload};

/// Docker's default size of /dev/shm.
const SHM: i64 = 64 << 20;

/// Docker's `HostConfig` of a container, as `docker inspect` shows it: limits, ports, privileges and namespaces.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfigResponse<'a> {
    /// The bind mounts. Always `None`, shown as null: a VCH has no volumes.
    pub binds: Option<Empty>,
    /// The client's file in which it stored the container's ID; empty without one.
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: &'a str,
    /// The log driver and its options; `json-file` if the client named no driver.
    pub log_config: LogConfig,
    /// The container's first network as the client named it, `bridge` if it named none, or `none` for no network.
    pub network_mode: &'a str,
    /// The ports that the client asked to publish: for each port of the container, such as `80/tcp`, addresses and
    /// ports of the VCH. The ports in use are in
    /// [`NetworkSettings::ports`](crate::containers::inspect::NetworkSettings::ports).
    pub port_bindings: Ordered<Vec<BindingResponse>>,
    /// When the ended container is started again.
    pub restart_policy: RestartPolicy,
    /// Whether the container is removed when it ends.
    pub auto_remove: bool,
    /// The driver of new volumes; empty or `local`.
    pub volume_driver: &'a str,
    /// The containers whose volumes are shared. Always `None`, shown as null: a VCH has no volumes.
    pub volumes_from: Option<Empty>,
    /// The added capabilities, with the prefix `CAP_`; `None`, shown as null, without any.
    pub cap_add: Option<&'a [String]>,
    /// The removed capabilities, with the prefix `CAP_`; `None`, shown as null, without any.
    pub cap_drop: Option<&'a [String]>,
    /// The cgroup namespace. Always `private`.
    pub cgroupns_mode: &'static str,
    /// The addresses of the DNS servers that the client chose; empty for the VCH's.
    pub dns: &'a [String],
    /// The options of the container's resolv.conf(5) that the client chose, such as `ndots:2`.
    pub dns_options: &'a [String],
    /// The search domains that the client chose.
    pub dns_search: &'a [String],
    /// Further lines of the hosts file as the client wrote them, `name:address`; `None`, shown as null, without any.
    pub extra_hosts: Option<&'a [String]>,
    /// Supplementary groups of the process; `None`, shown as null, without any.
    pub group_add: Option<&'a [String]>,
    /// The IPC namespace: `private`, or the mode that the client wrote.
    pub ipc_mode: &'a str,
    /// The cgroup of another container. Always empty.
    pub cgroup: &'static str,
    /// The links to other containers, if the first network is the default bridge: `/other:/own/alias` means that the
    /// container `own`, which is this one, finds the container `other` as `alias`. `None`, shown as null, without any.
    pub links: Option<Vec<String>>,
    /// The adjustment of the process's OOM score, -1000 to 1000 (proc(5), `oom_score_adj`).
    pub oom_score_adj: i16,
    /// The PID namespace. Always empty: the container's own.
    pub pid_mode: &'static str,
    /// Whether the process has all capabilities and devices of the VM.
    pub privileged: bool,
    /// Whether each exposed port is published at a port that the VCH chooses.
    pub publish_all_ports: bool,
    /// Whether the root file system is read-only.
    pub readonly_rootfs: bool,
    /// The security options as the client wrote them, such as `no-new-privileges`; for a privileged container also
    /// `label=disable`, as in dockerd. `None`, shown as null, without any.
    pub security_opt: Option<Vec<&'a str>>,
    /// The in-memory file systems of a container that an older release created: mount options by path. `None` (the key
    /// is left out) for other containers, whose file systems are in [`HostConfigResponse::written`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<&'a BTreeMap<String, String>>,
    /// The UTS namespace. Always empty: the container's own.
    #[serde(rename = "UTSMode")]
    pub uts_mode: &'static str,
    /// The user namespace as the client wrote it: empty or `host`.
    pub userns_mode: &'a str,
    /// The size of /dev/shm in bytes: the client's, or else 64 MiB. A container of IPC mode `none` has no /dev/shm,
    /// whatever the size.
    pub shm_size: i64,
    /// Kernel parameters of the container: value by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: &'a BTreeMap<String, String>,
    /// The name of the runtime. Always `vm`.
    pub runtime: &'static str,
    /// Rows and columns of the terminal when the process starts; zeros for the default, 24 and 80.
    pub console_size: [u32; 2],
    /// The isolation technology as the client wrote it: empty or `default`.
    pub isolation: &'a str,
    /// The limits of memory, processors and devices.
    #[serde(flatten)]
    pub resources: Resources<'a>,
    /// The settings that are shown only if the client wrote them.
    #[serde(flatten)]
    pub written: WrittenAlone<'a>,
}

/// A restart policy: when an ended container is started again.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// `no`, `on-failure`, `always` or `unless-stopped`.
    pub name: &'static str,
    /// The maximum number of restarts with `on-failure`; 0 for no limit.
    pub maximum_retry_count: i64,
}

/// The limits of a container, a part of its `HostConfig`. A VCH has no limits of block I/O and of the kernel's
/// real-time scheduler; their fields are always 0 or empty.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resources<'a> {
    /// The weight of the container's processor time against the other processes of its VM; 0 for the default, 1,024.
    pub cpu_shares: i64,
    /// The memory limit in bytes; 0 for the default of the VCH's configuration (`runtime.memory_mib`).
    pub memory: i64,
    /// The limit of processor time in billionths of a processor. If it is 0, [`Resources::cpu_quota`] holds, or else
    /// the VM's number of processors is the only limit.
    pub nano_cpus: i64,
    /// The parent of the container's cgroup. Always empty.
    pub cgroup_parent: &'static str,
    /// The weight of block I/O. Always 0.
    pub blkio_weight: u16,
    /// The weights of block I/O for single devices. Always empty.
    pub blkio_weight_device: [Empty; 0],
    /// The limits of bytes read per second. Always empty.
    pub blkio_device_read_bps: [Empty; 0],
    /// The limits of bytes written per second. Always empty.
    pub blkio_device_write_bps: [Empty; 0],
    /// The limits of reads per second. Always empty.
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: [Empty; 0],
    /// The limits of writes per second. Always empty.
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: [Empty; 0],
    /// The period of [`Resources::cpu_quota`] in microseconds; 0 for 100,000.
    pub cpu_period: i64,
    /// Microseconds of processor time in each period; 0 or less for no limit.
    pub cpu_quota: i64,
    /// The period of the real-time scheduler. Always 0.
    pub cpu_realtime_period: i64,
    /// The time of the real-time scheduler in each period. Always 0.
    pub cpu_realtime_runtime: i64,
    /// The VM's processors that the container may use, such as `0-2,4`; empty for all.
    pub cpuset_cpus: &'a str,
    /// The VM's memory nodes that the container may use; empty for all.
    pub cpuset_mems: &'a str,
    /// The devices of the VM that the container has in addition to Docker's default ones, as the client wrote them.
    pub devices: &'a [DeviceMapping],
    /// The rules of the device cgroup. Always `None`, shown as null.
    pub device_cgroup_rules: Option<Empty>,
    /// The requests for devices by driver. Always `None`, shown as null.
    pub device_requests: Option<Empty>,
    /// The memory in bytes that the VM's kernel takes from the container only after it has reclaimed from other
    /// processes (`memory.low` of cgroup v2); 0 for none.
    pub memory_reservation: i64,
    /// Memory and swap together in bytes, as the client set it or as twice the memory; -1 for no limit. Without effect,
    /// since a VM has no swap.
    pub memory_swap: i64,
    /// How readily memory is swapped. Always `None`, shown as null: a VM has no swap.
    pub memory_swappiness: Option<i64>,
    /// Whether the kernel does not kill the container when memory runs out. Always false.
    pub oom_kill_disable: bool,
    /// The maximum number of processes and threads; `None`, shown as null, for no limit.
    pub pids_limit: Option<i64>,
    /// Resource limits of the process (setrlimit(2)).
    pub ulimits: Vec<UlimitResponse<'a>>,
    /// The number of processors on Windows, as the client wrote it. Without effect.
    pub cpu_count: i64,
    /// The share of processor time on Windows. Always 0.
    pub cpu_percent: i64,
    /// The limit of I/O operations per second on Windows. Always 0.
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    /// The limit of I/O bytes per second on Windows. Always 0.
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
    /// The paths, such as files of /proc, that are hidden from the container: the client's, or else Docker's default
    /// ones. A privileged container, from which nothing is hidden, has `None`, shown as null, unless its client wrote
    /// some.
    pub masked_paths: Option<Vec<&'a str>>,
    /// The paths, such as files of /proc, that the container can only read: the client's, or else Docker's default
    /// ones. A privileged container, to which this does not apply, has `None`, shown as null, unless its client wrote
    /// some.
    pub readonly_paths: Option<Vec<&'a str>>,
    /// `true` if a small init runs as process 1 and reaps orphaned processes (`docker run --init`); `None` (the key is
    /// left out) if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

/// A resource limit of the process (setrlimit(2)).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UlimitResponse<'a> {
    /// The resource's name without `RLIMIT_`, in lower case, such as `nofile`.
    pub name: &'a str,
    /// The maximum of the limit; -1 for no limit.
    pub hard: i64,
    /// The limit in force, which the process can raise up to the maximum; -1 for no limit.
    pub soft: i64,
}

/// The part of `HostConfig` that is shown only if the client wrote it, and then as it was written.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WrittenAlone<'a> {
    /// Metadata for the runtime, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: &'a BTreeMap<String, String>,
    /// The options of the container's disk, such as `size`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage_opt: &'a BTreeMap<String, String>,
    /// The in-memory file systems of `--tmpfs`: mount options by path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: &'a BTreeMap<String, String>,
    /// The mounts of `--mount`.
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    pub mounts: &'a [Value],
    /// The client's `Init`, for a container without a small init; `None` for other containers, see
    /// [`Resources::init`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

impl<'a> HostConfigResponse<'a> {
    pub(super) fn of(view: &'a ContainerView) -> Self {
        let workload = &*view.snapshot.workload;
        let document = &view.document;
        let written = &document.host;
        let [add, drop] = &workload.capabilities;
        let [servers, search, options] = &document.dns;
        let older_release = *written == WrittenHost::default();
        let tmpfs = Some(&workload.tmpfs).filter(|all| older_release && !all.is_empty());
        let shm_bytes = workload.shm_bytes.filter(|bytes| *bytes > 0);
        Self {
            binds: None,
            container_id_file: &written.container_id_file,
            log_config: log_config(view),
            network_mode: &workload.network_mode,
            port_bindings: port_bindings(view),
            restart_policy: RestartPolicy::of(workload),
            auto_remove: workload.remove_at_end,
            volume_driver: &written.volume_driver,
            volumes_from: None,
            cap_add: list(add),
            cap_drop: list(drop),
            cgroupns_mode: "private",
            dns: servers,
            dns_options: options,
            dns_search: search,
            extra_hosts: list(&document.extra_hosts),
            group_add: list(&workload.groups),
            ipc_mode: match written.ipc_mode.as_str() {
                "" => "private",
                written => written,
            },
            cgroup: "",
            links: some(links(view)),
            oom_score_adj: workload.oom_score,
            pid_mode: "",
            privileged: workload.privileged,
            publish_all_ports: document.publish_all,
            readonly_rootfs: workload.read_only,
            security_opt: some(security(view)),
            tmpfs,
            uts_mode: "",
            userns_mode: &written.userns_mode,
            shm_size: shm_bytes.unwrap_or(SHM),
            sysctls: &workload.sysctls,
            runtime: RUNTIME,
            console_size: written.console_size.unwrap_or_default(),
            isolation: &written.isolation,
            resources: Resources::of(workload, written),
            written: WrittenAlone::of(workload, written),
        }
    }
}

impl RestartPolicy {
    fn of(workload: &Workload) -> Self {
        Self {
            name: match workload.restart.when {
                RestartWhen::No => "no",
                RestartWhen::OnFailure => "on-failure",
                RestartWhen::Always => "always",
                RestartWhen::UnlessStopped => "unless-stopped",
            },
            maximum_retry_count: workload.restart.most.into(),
        }
    }
}

impl<'a> Resources<'a> {
    fn of(workload: &'a Workload, written: &'a WrittenHost) -> Self {
        let resources = &workload.resources;
        let limits = workload.limits.iter();
        let limits = limits.map(|(name, soft, hard)| UlimitResponse {
            name,
            hard: *hard,
            soft: *soft,
        });
        // A privileged container has no masked paths, whatever applies to others.
        let covered = |written: &'a Option<Vec<String>>,
                       own: &'a Option<Vec<String>>,
                       default: &[&'static str]| {
            let texts = |paths: &'a [String]| paths.iter().map(String::as_str).collect();
            match (written, own) {
                (Some(paths), _) => Some(texts(paths)),
                (None, _) if workload.privileged => None,
                (None, Some(paths)) => Some(texts(paths)),
                (None, None) => Some(default.to_vec()),
            }
        };
        Self {
            cpu_shares: resources.cpu_shares,
            memory: resources.memory,
            nano_cpus: resources.nano_cpus,
            cgroup_parent: "",
            blkio_weight: 0,
            blkio_weight_device: [],
            blkio_device_read_bps: [],
            blkio_device_write_bps: [],
            blkio_device_read_iops: [],
            blkio_device_write_iops: [],
            cpu_period: resources.cpu_period,
            cpu_quota: resources.cpu_quota,
            cpu_realtime_period: 0,
            cpu_realtime_runtime: 0,
            cpuset_cpus: &resources.cpuset_cpus,
            cpuset_mems: &resources.cpuset_mems,
            devices: &written.devices,
            device_cgroup_rules: None,
            device_requests: None,
            memory_reservation: resources.memory_reservation,
            memory_swap: resources.memory_swap,
            memory_swappiness: None,
            oom_kill_disable: false,
            pids_limit: Some(resources.tasks).filter(|tasks| *tasks != 0),
            ulimits: limits.collect(),
            cpu_count: written.cpu_count.unwrap_or(0),
            cpu_percent: 0,
            io_maximum_iops: 0,
            io_maximum_bandwidth: 0,
            masked_paths: covered(&written.masked_paths, &workload.masked_paths, COVERED),
            readonly_paths: covered(
                &written.readonly_paths,
                &workload.read_only_paths,
                READ_ONLY,
            ),
            init: workload.reaper.then(|| written.init.unwrap_or(true)),
        }
    }
}

impl<'a> WrittenAlone<'a> {
    fn of(workload: &Workload, written: &'a WrittenHost) -> Self {
        Self {
            annotations: &written.annotations,
            storage_opt: &written.storage_opt,
            tmpfs: &written.tmpfs,
            mounts: &written.mounts,
            init: written.init.filter(|_| !workload.reaper),
        }
    }
}

fn log_config(view: &ContainerView) -> LogConfig {
    let written = view.document.host.log_config.clone();
    written.unwrap_or_else(|| LogConfig {
        r#type: "json-file".to_owned(),
        config: view.snapshot.workload.log.clone(),
    })
}

fn port_bindings(view: &ContainerView) -> Ordered<Vec<BindingResponse>> {
    let binding = |(ip, port): &(String, String)| BindingResponse {
        host_ip: ip.clone(),
        host_port: port.clone(),
    };
    let bindings = view.document.bindings.iter();
    bindings
        .map(|(port, all)| (key(port), all.iter().map(binding).collect()))
        .collect()
}

/// Returns the links of a container on the default bridge, as `/other:/own/alias`. On other
/// networks, links belong to endpoints.
fn links(view: &ContainerView) -> Vec<String> {
    if network(&view.snapshot.workload.network_mode) != DEFAULT {
        return Vec::new();
    }
    let own = &view.snapshot.container.name;
    let shown = view.document.links.iter().map(|text| {
        let (other, alias) = link_parts(text);
        format!("/{other}:/{own}/{alias}")
    });
    shown.collect()
}

/// Returns the security options as they were written. For a privileged container, labels are
/// disabled, as in dockerd.
fn security(view: &ContainerView) -> Vec<&str> {
    const UNLABELLED: &str = "label=disable";
    let workload = &view.snapshot.workload;
    let written = view.document.host.security_opt.iter();
    let mut all: Vec<&str> = written.map(String::as_str).collect();
    // An older release stored the options in this form.
    if all.is_empty() && workload.no_new_privileges {
        all.push("no-new-privileges");
    }
    if workload.privileged && !all.contains(&UNLABELLED) {
        all.push(UNLABELLED);
    }
    all
}
