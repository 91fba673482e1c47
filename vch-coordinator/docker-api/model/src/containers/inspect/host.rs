//! `HostConfig` of inspect. Settings in force are shown as they are, the others as they were
//! written.

use super::{key, list};
use crate::{
    containers::{
        create::{DEFAULT, RUNTIME, network},
        endpoint::ShownBinding,
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

/// The host configuration of a container.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShownHostConfig<'a> {
    pub binds: Option<Empty>,
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: &'a str,
    pub log_config: LogConfig,
    pub network_mode: &'a str,
    pub port_bindings: Ordered<Vec<ShownBinding>>,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub volume_driver: &'a str,
    pub volumes_from: Option<Empty>,
    pub cap_add: Option<&'a [String]>,
    pub cap_drop: Option<&'a [String]>,
    pub cgroupns_mode: &'static str,
    pub dns: &'a [String],
    pub dns_options: &'a [String],
    pub dns_search: &'a [String],
    pub extra_hosts: Option<&'a [String]>,
    pub group_add: Option<&'a [String]>,
    pub ipc_mode: &'a str,
    pub cgroup: &'static str,
    pub links: Option<Vec<String>>,
    pub oom_score_adj: i16,
    pub pid_mode: &'static str,
    pub privileged: bool,
    pub publish_all_ports: bool,
    pub readonly_rootfs: bool,
    pub security_opt: Option<Vec<&'a str>>,
    /// The in-memory file systems of a container of an older release, which did not store them as
    /// they were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<&'a BTreeMap<String, String>>,
    #[serde(rename = "UTSMode")]
    pub uts_mode: &'static str,
    pub userns_mode: &'a str,
    pub shm_size: i64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: &'a BTreeMap<String, String>,
    pub runtime: &'static str,
    pub console_size: [u32; 2],
    pub isolation: &'a str,
    #[serde(flatten)]
    pub resources: Resources<'a>,
    #[serde(flatten)]
    pub written: WrittenAlone<'a>,
}

/// A restart policy.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestartPolicy {
    pub name: &'static str,
    pub maximum_retry_count: i64,
}

/// The resources of a container. A VCH has no limits of block devices and of the kernel's real-time
/// scheduler.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resources<'a> {
    pub cpu_shares: i64,
    pub memory: i64,
    pub nano_cpus: i64,
    pub cgroup_parent: &'static str,
    pub blkio_weight: u16,
    pub blkio_weight_device: [Empty; 0],
    pub blkio_device_read_bps: [Empty; 0],
    pub blkio_device_write_bps: [Empty; 0],
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: [Empty; 0],
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: [Empty; 0],
    pub cpu_period: i64,
    pub cpu_quota: i64,
    pub cpu_realtime_period: i64,
    pub cpu_realtime_runtime: i64,
    pub cpuset_cpus: &'a str,
    pub cpuset_mems: &'a str,
    pub devices: &'a [DeviceMapping],
    pub device_cgroup_rules: Option<Empty>,
    pub device_requests: Option<Empty>,
    pub memory_reservation: i64,
    pub memory_swap: i64,
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: bool,
    pub pids_limit: Option<i64>,
    pub ulimits: Vec<ShownUlimit<'a>>,
    pub cpu_count: i64,
    pub cpu_percent: i64,
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
    pub masked_paths: Option<Vec<&'a str>>,
    pub readonly_paths: Option<Vec<&'a str>>,
    /// Whether the container has a small init; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

/// A resource limit (setrlimit(2)).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShownUlimit<'a> {
    pub name: &'a str,
    pub hard: i64,
    pub soft: i64,
}

/// Fields that are shown only if the user wrote them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WrittenAlone<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage_opt: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    pub mounts: &'a [Value],
    /// The value of `Init` that the user wrote, if the container has no small init.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

impl<'a> ShownHostConfig<'a> {
    pub(super) fn of(view: &'a ContainerView) -> Self {
        let workload = &*view.snapshot.workload;
        let shown = &view.shown;
        let written = &shown.host;
        let [add, drop] = &workload.capabilities;
        let [servers, search, options] = &shown.dns;
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
            extra_hosts: list(&shown.extra_hosts),
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
            publish_all_ports: shown.publish_all,
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
        let limits = limits.map(|(name, soft, hard)| ShownUlimit {
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
    let written = view.shown.host.log_config.clone();
    written.unwrap_or_else(|| LogConfig {
        r#type: "json-file".to_owned(),
        config: view.snapshot.workload.log.clone(),
    })
}

fn port_bindings(view: &ContainerView) -> Ordered<Vec<ShownBinding>> {
    let binding = |(ip, port): &(String, String)| ShownBinding {
        host_ip: ip.clone(),
        host_port: port.clone(),
    };
    let bindings = view.shown.bindings.iter();
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
    let shown = view.shown.links.iter().map(|text| {
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
    let written = view.shown.host.security_opt.iter();
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
