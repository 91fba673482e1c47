//! The file's fields as they are written, before they are checked.

use ipnet::IpNet;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub vch: Vch,
    #[serde(default)]
    pub api: Api,
    #[serde(default)]
    pub metrics: Metrics,
    pub management: Option<HostInterface>,
    pub docker_endpoint: Option<DockerEndpoint>,
    pub external: Option<Vec<External>>,
    pub bridge: Option<Bridge>,
    #[serde(default)]
    pub ports: Ports,
    #[serde(default)]
    pub runtime: Runtime,
    #[serde(default)]
    pub images: Images,
    #[serde(default)]
    pub dns: Dns,
    #[serde(default)]
    pub tether: Tether,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vch {
    pub state_dir: Option<Spanned<PathBuf>>,
    pub run_dir: Option<Spanned<PathBuf>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    pub socket: Option<Spanned<PathBuf>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metrics {
    pub listen: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename = "Station", deny_unknown_fields)]
pub(super) struct HostInterface {
    pub interface: Spanned<String>,
    pub address: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DockerEndpoint {
    pub interface: Spanned<String>,
    pub address: Spanned<String>,
    pub port: Option<Spanned<u64>>,
    pub tls: Option<Tls>,
    pub socket: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub ca: Spanned<PathBuf>,
    pub cert: Spanned<PathBuf>,
    pub key: Spanned<PathBuf>,
    pub crl: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct External {
    pub name: Spanned<String>,
    pub interface: Spanned<String>,
    pub subnets: Spanned<Vec<Spanned<Subnet>>>,
    #[serde(default)]
    pub dns: Vec<Spanned<String>>,
    #[serde(default)]
    pub addressing: Addressing,
    #[serde(default)]
    pub level: Level,
    pub published: Option<Spanned<bool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subnet {
    pub subnet: Spanned<String>,
    pub gateway: Option<Spanned<String>>,
    pub address: Option<Spanned<String>>,
    #[serde(default)]
    pub ranges: Vec<Spanned<String>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Addressing {
    #[default]
    Static,
    Dhcp,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Closed,
    Outbound,
    Peers,
    #[default]
    Published,
    Open,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bridge {
    #[serde(default)]
    pub segment: Segment,
    pub shared_interface: Option<Spanned<String>>,
    pub subnet: Option<Spanned<String>>,
    pub pools: Option<Vec<Spanned<Pool>>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Segment {
    #[default]
    Dedicated,
    Shared,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ports {
    pub ephemeral: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Runtime {
    #[serde(default)]
    pub kind: RuntimeKind,
    pub hook: Option<Spanned<String>>,
    pub kernel: Option<Spanned<PathBuf>>,
    pub initramfs: Option<Spanned<PathBuf>>,
    pub shim: Option<Spanned<PathBuf>>,
    pub boot: Option<Boot>,
    #[serde(default)]
    pub accelerator: Accelerator,
    pub memory_mib: Option<Spanned<u64>>,
    pub cpus: Option<Spanned<u64>>,
    pub disk_mib: Option<Spanned<u64>>,
    #[serde(default)]
    pub insecure_registries: Vec<String>,
    pub boot_seconds: Option<Spanned<u64>>,
    pub network_seconds: Option<Spanned<u64>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RuntimeKind {
    #[default]
    External,
    Qemu,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Boot {
    Cold,
    Clone,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Accelerator {
    #[default]
    Tcg,
    Kvm,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Images {
    pub packed_mib: Option<Spanned<u64>>,
    pub unpacked_mib: Option<Spanned<u64>>,
    pub entries: Option<Spanned<u64>>,
    pub free_disk_mib: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub base: IpNet,
    pub size: u8,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dns {
    pub upstreams: Option<Vec<Spanned<String>>>,
    pub threads: Option<Spanned<u64>>,
    pub ttl_seconds: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tether {
    pub heartbeat_ms: Option<Spanned<u64>>,
    pub report_deadline_ms: Option<Spanned<u64>>,
    pub vsock_port: Option<Spanned<u32>>,
}
