//! The file's fields as they are written, before they are checked.

use ipnet::IpNet;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// The whole configuration file, as it is written. A table that is left out is `None` or has its defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The table of the directories.
    #[serde(default)]
    pub vch: VchTable,
    /// The native API.
    #[serde(default)]
    pub api: ApiTable,
    /// The address at which metrics are read.
    #[serde(default)]
    pub metrics: MetricsTable,
    /// The interface on the management network; required.
    pub management: Option<HostInterfaceTable>,
    /// The interface, address and certificates of the Docker API; required.
    pub docker_endpoint: Option<DockerEndpointTable>,
    /// The external networks; at least one is required.
    pub external: Option<Vec<ExternalTable>>,
    /// The settings of bridge networks; required.
    pub bridge: Option<BridgeTable>,
    /// The range of automatic host ports.
    #[serde(default)]
    pub ports: PortsTable,
    /// The program that runs the VMs, and the VMs' settings.
    #[serde(default)]
    pub runtime: RuntimeTable,
    /// The limits on images.
    #[serde(default)]
    pub images: ImagesTable,
    /// The settings of the name server.
    #[serde(default)]
    pub dns: DnsTable,
    /// The settings of sessions with agents.
    #[serde(default)]
    pub tether: TetherTable,
}

/// The table `[vch]`: the directories.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VchTable {
    /// The absolute path of the directory of the store, which outlives reboots.
    pub state_dir: Option<Spanned<PathBuf>>,
    /// The absolute path of the directory of sockets, which may be emptied at boot.
    pub run_dir: Option<Spanned<PathBuf>>,
}

/// The table `[api]`: the native API.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiTable {
    /// The absolute path of the native API's Unix socket.
    pub socket: Option<Spanned<PathBuf>>,
}

/// The table `[metrics]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricsTable {
    /// The address and port, or the path of the Unix socket, at which Prometheus reads.
    pub listen: Option<Spanned<String>>,
}

/// The table `[management]`.
#[derive(Deserialize)]
#[serde(rename = "Station", deny_unknown_fields)]
pub(super) struct HostInterfaceTable {
    /// The name of the VCH's interface on the management network.
    pub interface: Spanned<String>,
    /// The VCH's IP address on the interface.
    pub address: Spanned<String>,
}

/// The table `[docker_endpoint]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DockerEndpointTable {
    /// The name of the interface at which the Docker API is served.
    pub interface: Spanned<String>,
    /// The VCH's IP address on that interface.
    pub address: Spanned<String>,
    /// The TCP port of the Docker API; 2376 by default.
    pub port: Option<Spanned<u64>>,
    /// The certificates; without them the Docker API does not listen on TCP.
    pub tls: Option<TlsTable>,
    /// The path of the Docker API's Unix socket; none by default.
    pub socket: Option<Spanned<PathBuf>>,
}

/// The inline table `docker_endpoint.tls`: paths of PEM files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsTable {
    /// The certificate of the authority that signed the clients' certificates.
    pub ca: Spanned<PathBuf>,
    /// The server's certificate.
    pub cert: Spanned<PathBuf>,
    /// The server's private key.
    pub key: Spanned<PathBuf>,
    /// The list of revoked client certificates.
    pub crl: Option<Spanned<PathBuf>>,
}

/// A table `[[external]]`: one external network.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExternalTable {
    /// The network's name.
    pub name: Spanned<String>,
    /// The name of the VCH's interface on the network.
    pub interface: Spanned<String>,
    /// The network's subnets.
    pub subnets: Spanned<Vec<Spanned<SubnetTable>>>,
    /// The DNS servers of containers that are on external networks only.
    #[serde(default)]
    pub dns: Vec<Spanned<String>>,
    /// The source of addresses: the VCH (`static`, the default), or a DHCP server.
    #[serde(default)]
    pub addressing: Addressing,
    /// The traffic that may pass; `published` by default.
    #[serde(default)]
    pub level: Level,
    /// Whether ports that are published without an address answer on this network.
    pub published: Option<Spanned<bool>>,
}

/// An element of `external.subnets`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubnetTable {
    /// The subnet in CIDR notation.
    pub subnet: Spanned<String>,
    /// The address of the network's router.
    pub gateway: Option<Spanned<String>>,
    /// The VCH's own address.
    pub address: Option<Spanned<String>>,
    /// The ranges from which containers get addresses; the whole subnet by default.
    #[serde(default)]
    pub ranges: Vec<Spanned<String>>,
}

/// The value of `external.addressing`: who gives the addresses.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Addressing {
    #[default]
    Static,
    Dhcp,
}

/// The value of `external.level`: the traffic that may pass between the network and a container.
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

/// The table `[bridge]`: bridge networks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BridgeTable {
    /// The kind of bridge for a network that does not choose one.
    #[serde(default)]
    pub segment: Segment,
    /// The name of the bridge of shared networks.
    pub shared_interface: Option<Spanned<String>>,
    /// The subnet that the network `bridge` gets when it is first created.
    pub subnet: Option<Spanned<String>>,
    /// The pools from which subnets are chosen, in order.
    pub pools: Option<Vec<Spanned<Pool>>>,
}

/// The value of `bridge.segment`: the kind of bridge for a network that does not choose one.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Segment {
    #[default]
    Dedicated,
    Shared,
}

/// The table `[ports]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortsTable {
    /// The range of automatic host ports, as `49153-65535`.
    pub ephemeral: Option<Spanned<String>>,
}

/// The table `[runtime]`: which program runs the VMs.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuntimeTable {
    /// The program that runs the VMs: another one (`external`, the default), or QEMU as the coordinator starts it.
    #[serde(default)]
    pub kind: RuntimeKind,
    /// The path of the Unix socket by which another program is asked to change NICs.
    pub hook: Option<Spanned<String>>,
    /// The path of the VMs' kernel.
    pub kernel: Option<Spanned<PathBuf>>,
    /// The path of the VMs' initial RAM file system.
    pub initramfs: Option<Spanned<PathBuf>>,
    /// The path of the program `vch-shim`, which runs one VM.
    pub shim: Option<Spanned<PathBuf>>,
    /// Whether VMs boot or are clones.
    pub boot: Option<Boot>,
    /// Emulation or KVM; emulation by default.
    #[serde(default)]
    pub accelerator: Accelerator,
    /// The memory of a VM without a limit, in MiB.
    pub memory_mib: Option<Spanned<u64>>,
    /// The number of processors of a VM without a limit.
    pub cpus: Option<Spanned<u64>>,
    /// How much a container may write to its root file system, in MiB.
    pub disk_mib: Option<Spanned<u64>>,
    /// The registries that are contacted without TLS, as `host:port`.
    #[serde(default)]
    pub insecure_registries: Vec<String>,
    /// The deadline from QEMU's start until the guest answers, in seconds.
    pub boot_seconds: Option<Spanned<u64>>,
    /// The deadline from the guest's first answer until its network is configured, in seconds.
    pub network_seconds: Option<Spanned<u64>>,
}

/// The value of `runtime.kind`: whether another program or the coordinator (by QEMU) runs the VMs.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RuntimeKind {
    #[default]
    External,
    Qemu,
}

/// The value of `runtime.boot`: whether each VM boots, or is a clone of a saved VM.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Boot {
    Cold,
    Clone,
}

/// The value of `runtime.accelerator`: emulation (TCG) or KVM.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Accelerator {
    #[default]
    Tcg,
    Kvm,
}

/// The table `[images]`: limits on images.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImagesTable {
    /// The greatest size of an image's compressed layers together, in MiB.
    pub packed_mib: Option<Spanned<u64>>,
    /// The greatest size of an image's unpacked layers together, in MiB.
    pub unpacked_mib: Option<Spanned<u64>>,
    /// The greatest number of files and directories of an image.
    pub entries: Option<Spanned<u64>>,
    /// The disk space that images must leave free, in MiB.
    pub free_disk_mib: Option<Spanned<u64>>,
}

/// An element of `bridge.pools`: a range that is cut into subnets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    /// The range.
    pub base: IpNet,
    /// The prefix length of the subnets.
    pub size: u8,
}

/// The table `[dns]`: the name server.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DnsTable {
    /// The DNS servers for names that are not the VCH's own, in order: `address` or `address:port`.
    pub upstreams: Option<Vec<Spanned<String>>>,
    /// The number of the name server's threads.
    pub threads: Option<Spanned<u64>>,
    /// The TTL of answers about the VCH's own names, in seconds.
    pub ttl_seconds: Option<Spanned<u64>>,
}

/// The table `[tether]`: sessions with agents.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TetherTable {
    /// The interval of heartbeats between coordinator and agent, in milliseconds.
    pub heartbeat_ms: Option<Spanned<u64>>,
    /// How long a request waits for the agent's report, in milliseconds.
    pub report_deadline_ms: Option<Spanned<u64>>,
    /// The native vsock port at which agents connect; none by default.
    pub vsock_port: Option<Spanned<u32>>,
}
