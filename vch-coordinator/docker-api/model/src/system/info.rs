//! The response to `GET /info` (`docker info`), in which dockerd describes itself, for a VCH.

use crate::{Version, gates, json::Empty, system::RELEASE};
use serde::Serialize;
use std::path::Path;

/// The data that [`Info::of`] describes: the machine that the VCH runs on, and the numbers of its objects. The handler
/// of `GET /info` fills it.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// The VCH's ID, which stays the same across restarts.
    pub vch: &'a str,
    /// The present time, in RFC 3339.
    pub now: &'a str,
    /// The host name of the machine that the VCH runs on.
    pub hostname: &'a str,
    /// The release of the kernel, such as `6.12.0`.
    pub kernel: &'a str,
    /// The name and version of the operating system, such as `Debian GNU/Linux 13 (trixie)`.
    pub system: &'a str,
    /// The version of the operating system, such as `13`; empty if it has none.
    pub release: &'a str,
    /// The machine's memory in bytes.
    pub memory: u64,
    /// The number of the machine's processors.
    pub processors: usize,
    /// The directory in which the coordinator stores its data.
    pub state_dir: &'a Path,
    /// The number of the VCH's containers, whether they run or not.
    pub containers: usize,
    /// The number of the VCH's running containers.
    pub running: usize,
    /// The number of images that the VCH has stored.
    pub images: usize,
}

/// The response to `GET /info`. It serializes as dockerd's JSON object; keys that only some API versions have are
/// last.
#[derive(Clone, Debug, Serialize)]
pub struct Info<'a> {
    #[serde(flatten)]
    vch: VchInfo<'a>,
    #[serde(flatten)]
    machine: MachineInfo<'a>,
    #[serde(flatten)]
    abilities: ContainerAbilities,
    #[serde(flatten)]
    counts: Counts,
    #[serde(flatten)]
    added: Added,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VchInfo<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    driver: &'static str,
    driver_status: [Empty; 0],
    plugins: Plugins,
    debug: bool,
    #[serde(rename = "NFd")]
    n_fd: u32,
    #[serde(rename = "NGoroutines")]
    n_goroutines: u32,
    #[serde(rename = "NEventsListener")]
    n_events_listener: u32,
    system_time: &'a str,
    logging_driver: &'static str,
    index_server_address: &'static str,
    registry_config: RegistryConfig,
    #[serde(rename = "CDISpecDirs")]
    cdi_spec_dirs: [Empty; 0],
    generic_resources: Option<Empty>,
    http_proxy: &'static str,
    https_proxy: &'static str,
    no_proxy: &'static str,
    labels: [Empty; 0],
    experimental_build: bool,
    server_version: &'static str,
    swarm: Swarm,
    live_restore_enabled: bool,
    warnings: Option<Empty>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Plugins {
    volume: [Empty; 0],
    network: [&'static str; 2],
    authorization: Option<Empty>,
    log: [&'static str; 1],
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegistryConfig {
    #[serde(rename = "AllowNondistributableArtifactsCIDRs")]
    allow_nondistributable_artifacts_cidrs: [Empty; 0],
    allow_nondistributable_artifacts_hostnames: [Empty; 0],
    #[serde(rename = "InsecureRegistryCIDRs")]
    insecure_registry_cidrs: [Empty; 0],
    index_configs: IndexConfigs,
    mirrors: [Empty; 0],
}

#[derive(Clone, Debug, Default, Serialize)]
struct IndexConfigs {
    #[serde(rename = "docker.io")]
    hub: IndexConfig,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct IndexConfig {
    name: &'static str,
    mirrors: [Empty; 0],
    secure: bool,
    official: bool,
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self {
            name: "docker.io",
            mirrors: [],
            secure: true,
            official: true,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Swarm {
    #[serde(rename = "NodeID")]
    node_id: &'static str,
    node_addr: &'static str,
    local_node_state: &'static str,
    control_available: bool,
    error: &'static str,
    remote_managers: Option<Empty>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct MachineInfo<'a> {
    #[serde(rename = "IPv4Forwarding")]
    ipv4_forwarding: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bridge_nf_iptables: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bridge_nf_ip6tables: Option<bool>,
    #[serde(flatten)]
    in_place_of_bridges: Option<InPlaceOfBridges>,
    kernel_version: &'a str,
    operating_system: &'a str,
    #[serde(rename = "OSVersion")]
    os_version: &'a str,
    #[serde(rename = "OSType")]
    os_type: &'static str,
    architecture: &'static str,
    #[serde(rename = "NCPU")]
    n_cpu: usize,
    mem_total: u64,
    docker_root_dir: &'a Path,
    name: &'a str,
}

/// The keys at the position of the bridge keys, in versions without those.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InPlaceOfBridges {
    firewall_backend: FirewallBackend,
    images: usize,
}

/// The supported limits of containers. Each container is a VM with its own memory and processors;
/// shares, sets of processors and the number of tasks are limited within it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerAbilities {
    memory_limit: bool,
    swap_limit: bool,
    cpu_cfs_period: bool,
    cpu_cfs_quota: bool,
    #[serde(rename = "CPUShares")]
    cpu_shares: bool,
    #[serde(rename = "CPUSet")]
    cpu_set: bool,
    pids_limit: bool,
    oom_kill_disable: bool,
    cgroup_driver: &'static str,
    cgroup_version: &'static str,
    runtimes: Runtimes,
    default_runtime: &'static str,
    isolation: &'static str,
    init_binary: &'static str,
    containerd_commit: Commit,
    runc_commit: Commit,
    init_commit: Commit,
    security_options: [&'static str; 1],
}

#[derive(Clone, Debug, Serialize)]
struct Runtimes {
    qemu: Runtime,
}

#[derive(Clone, Debug, Serialize)]
struct Runtime {
    path: &'static str,
}

/// The version of a program that a VCH does not have.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Commit {
    #[serde(rename = "ID")]
    id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Counts {
    containers: usize,
    containers_running: usize,
    containers_paused: usize,
    containers_stopped: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<usize>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Added {
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_memory: Option<bool>,
    #[serde(rename = "KernelMemoryTCP", skip_serializing_if = "Option::is_none")]
    kernel_memory_tcp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firewall_backend: Option<FirewallBackend>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discovered_devices: Option<[Empty; 0]>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FirewallBackend {
    driver: &'static str,
}

const FIREWALL: FirewallBackend = FirewallBackend { driver: "nftables" };

impl<'a> Info<'a> {
    /// Returns the response to `GET /info` for a client of an API version. `host` describes the VCH and its machine.
    pub fn of(host: Host<'a>, version: Version) -> Self {
        Self {
            vch: VchInfo::of(host),
            machine: MachineInfo::of(host, version),
            abilities: ContainerAbilities::of(version),
            counts: Counts {
                containers: host.containers,
                containers_running: host.running,
                containers_paused: 0,
                containers_stopped: host.containers - host.running,
                images: gates::INFO_BRIDGE_NF.then(version, host.images),
            },
            added: Added {
                kernel_memory: gates::KERNEL_MEMORY.then(version, false),
                kernel_memory_tcp: gates::KERNEL_MEMORY.then(version, false),
                firewall_backend: gates::INFO_FIREWALL
                    .then(version, FIREWALL)
                    .filter(|_| gates::INFO_BRIDGE_NF.is_open(version)),
                discovered_devices: gates::INFO_DEVICES.then(version, []),
            },
        }
    }
}

impl<'a> VchInfo<'a> {
    fn of(host: Host<'a>) -> Self {
        Self {
            id: host.vch,
            driver: "squashfs",
            driver_status: [],
            plugins: Plugins {
                volume: [],
                network: ["bridge", "null"],
                authorization: None,
                log: ["json-file"],
            },
            debug: false,
            n_fd: 0,
            n_goroutines: 0,
            n_events_listener: 0,
            system_time: host.now,
            logging_driver: "json-file",
            index_server_address: "https://index.docker.io/v1/",
            registry_config: RegistryConfig::default(),
            cdi_spec_dirs: [],
            generic_resources: None,
            http_proxy: "",
            https_proxy: "",
            no_proxy: "",
            labels: [],
            experimental_build: false,
            server_version: RELEASE,
            swarm: Swarm {
                node_id: "",
                node_addr: "",
                local_node_state: "inactive",
                control_available: false,
                error: "",
                remote_managers: None,
            },
            live_restore_enabled: true,
            warnings: None,
        }
    }
}

impl<'a> MachineInfo<'a> {
    fn of(host: Host<'a>, version: Version) -> Self {
        let has_bridges = gates::INFO_BRIDGE_NF.is_open(version);
        Self {
            ipv4_forwarding: true,
            bridge_nf_iptables: has_bridges.then_some(false),
            bridge_nf_ip6tables: has_bridges.then_some(false),
            in_place_of_bridges: (!has_bridges).then_some(InPlaceOfBridges {
                firewall_backend: FIREWALL,
                images: host.images,
            }),
            kernel_version: host.kernel,
            operating_system: host.system,
            os_version: host.release,
            os_type: "linux",
            architecture: std::env::consts::ARCH,
            n_cpu: host.processors,
            mem_total: host.memory,
            docker_root_dir: host.state_dir,
            name: host.hostname,
        }
    }
}

impl ContainerAbilities {
    fn of(version: Version) -> Self {
        let commit = Commit {
            id: "",
            expected: gates::INFO_EXPECTED.then(version, ""),
        };
        Self {
            memory_limit: true,
            swap_limit: false,
            cpu_cfs_period: true,
            cpu_cfs_quota: true,
            cpu_shares: true,
            cpu_set: true,
            pids_limit: true,
            oom_kill_disable: false,
            cgroup_driver: "none",
            cgroup_version: "2",
            runtimes: Runtimes {
                qemu: Runtime { path: "vch-shim" },
            },
            default_runtime: "qemu",
            isolation: "",
            init_binary: "container-init",
            containerd_commit: commit.clone(),
            runc_commit: commit.clone(),
            init_commit: commit,
            security_options: ["name=seccomp,profile=default"],
        }
    }
}
