//! The configuration file `vch.toml`.
//!
//! The file is parsed once into types that hold their invariants. Errors name the file, the line, the
//! field, the value and the remedy. `vch.example.toml`, which a test parses, documents all fields.

mod bridge;
mod error;
mod external;
mod fields;
mod host_interfaces;
mod images;
mod links;
mod metrics;
mod ports;
mod reload;
mod runtime;

pub use bridge::Bridge;
pub use error::ConfigError;
pub use host_interfaces::{DockerEndpoint, HostInterface};
pub use images::Images;
pub use links::{Links, LinksError};
pub use metrics::MetricsEndpoint;
pub use reload::{RereadError, RestartNeeded};
pub use runtime::Runtime;

use error::Source;
use external::Others;
use fields::File;
use protocol::transport::PrivilegedPort;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};
use vch_ledger::{ExternalNetwork, PortNumber, Protocol, Settings, VchId};
use vch_network::{PortProbe, nat::NatEnvironment};

/// A complete, checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The directory of everything that outlives restarts of the VCH: the store (the ledger on disk), the images and
    /// the containers' files.
    pub state_dir: PathBuf,
    /// The directory of files that last no longer than the VCH runs, such as the Unix sockets of agents and VMs. It may
    /// be emptied at boot.
    pub run_dir: PathBuf,
    /// The path of the Unix socket of the native API, which `vchctl` uses.
    pub api_socket: PathBuf,
    /// The VCH's interface on the management network, with its address. Containers cannot reach that network.
    pub management: HostInterface,
    /// The VCH's interface and the settings of the Docker API.
    pub docker_endpoint: DockerEndpoint,
    /// The external networks: at least one, and at least one at whose address of the VCH a port is published if its
    /// request has no address.
    pub externals: Vec<ExternalNetwork>,
    /// The settings of bridge networks.
    pub bridge: Bridge,
    /// The range of the host ports that the VCH may choose for published ports; `None` for the kernel's range of
    /// ephemeral ports.
    pub ephemeral: Option<RangeInclusive<u16>>,
    /// The program that runs the containers' VMs, and the VMs' settings.
    pub runtime: Runtime,
    /// The limits on the size of images.
    pub images: Images,
    /// The settings of the name server for containers.
    pub dns: Dns,
    /// The settings of sessions with the agents in the VMs.
    pub tether: Tether,
    /// The address or Unix socket at which Prometheus reads the metrics; `None` if metrics are not served.
    pub metrics: Option<MetricsEndpoint>,
}

/// The settings of the name server, which listens on the gateway addresses of bridge networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The number of threads, the limits, and the upstream servers for names that are not the VCH's own.
    pub server: vch_dns::Config,
    /// The settings of answers about the VCH's own names, such as their TTL.
    pub policy: vch_dns::Policy,
}

/// The settings of sessions (conversations) with the agents in the VMs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tether {
    /// The interval of heartbeats: the coordinator and an agent send one when they have nothing else to send. A side
    /// that receives nothing for five intervals gives the session up.
    pub heartbeat: Duration,
    /// The longest time for which a request waits until the agent has reported that the VM's network is as requested.
    /// The request is then answered as `pending`, and its change stays. Zero answers at once.
    pub report_deadline: Duration,
    /// The native vsock port at which agents connect to the coordinator; `None` if it does not listen on native vsock.
    pub vsock_port: Option<PrivilegedPort>,
}

const DEFAULT_HEARTBEAT_MS: u64 = 1_000;
const DEFAULT_REPORT_DEADLINE_MS: u64 = 5_000;
const DEFAULT_TTL_SECONDS: u64 = 0;
const DEFAULT_DNS_THREADS: u64 = 2;

impl Config {
    /// Returns the settings for the ledger of the VCH with the identity `vch`. The range of automatic host ports is
    /// read from the kernel if none is configured.
    pub fn ledger_settings(&self, vch: VchId) -> Settings {
        let mut settings = Settings::of(vch);
        settings.pools.clone_from(&self.bridge.pools);
        settings.default_bridge.net = self.bridge.subnet;
        settings.default_segment = self.bridge.segment;
        settings
            .shared_link
            .clone_from(&self.bridge.shared_interface);
        settings.externals.clone_from(&self.externals);
        settings.ephemeral = self.ephemeral();
        settings.reserved = self.reserved();
        settings.private = self.private();
        settings
    }

    /// Returns the part of the configuration that the nftables rules depend on: the VCH's interfaces and addresses on
    /// the management network and at the Docker endpoint.
    pub fn nat_environment(&self) -> NatEnvironment {
        let host_interfaces = [&self.management, &self.docker_endpoint.host_interface];
        NatEnvironment {
            private: host_interfaces
                .map(|host_interface| host_interface.interface.clone())
                .into(),
            private_addresses: host_interfaces
                .map(|host_interface| host_interface.address)
                .into(),
        }
    }

    /// Returns the probe with which the ledger finds out whether a process of the VCH listens at a port already, before
    /// it publishes a container's port there.
    pub fn port_probe(&self) -> PortProbe {
        let at = |published| {
            let externals = self.externals.iter();
            let externals = externals.filter(move |one| one.external.published == published);
            let subnets = externals.flat_map(|one| &one.subnets);
            subnets.filter_map(|subnet| subnet.vch).collect()
        };
        PortProbe {
            private: vec![
                self.management.address,
                self.docker_endpoint.host_interface.address,
            ],
            defaults: at(true),
            others: at(false),
        }
    }

    /// Returns the ports that the VCH itself uses, each with the reason.
    fn reserved(&self) -> BTreeMap<PortNumber, String> {
        let docker = PortNumber {
            protocol: Protocol::Tcp,
            port: self.docker_endpoint.port,
        };
        let docker = (
            docker,
            "the docker endpoint (docker_endpoint.port)".to_owned(),
        );
        let metrics = match &self.metrics {
            Some(MetricsEndpoint::Tcp { address, .. }) => Some(address.port()),
            Some(MetricsEndpoint::Unix(_)) | None => None,
        };
        let metrics = metrics.map(|port| {
            let protocol = Protocol::Tcp;
            let whose = "the metrics (metrics.listen)".to_owned();
            (PortNumber { protocol, port }, whose)
        });
        metrics.into_iter().chain([docker]).collect()
    }

    /// Returns the VCH's addresses that containers must not use, each with the reason.
    fn private(&self) -> BTreeMap<IpAddr, String> {
        let endpoint = "the docker endpoint's network (docker_endpoint.address)";
        let management = "the management network (management.address)";
        BTreeMap::from([
            (
                self.docker_endpoint.host_interface.address,
                endpoint.to_owned(),
            ),
            (self.management.address, management.to_owned()),
        ])
    }

    /// Reads and checks the configuration file at `path`.
    ///
    /// # Errors
    /// - [`ConfigError::Read`] if the file cannot be read.
    /// - The errors of [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            file: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Checks the text of a configuration file. `path` is only used in errors.
    ///
    /// # Errors
    /// - [`ConfigError::Syntax`] if the text is not TOML, or has an unknown field or a value of a wrong type.
    /// - [`ConfigError::Missing`] if a required table is missing.
    /// - [`ConfigError::Field`] if a value is not valid.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = Source { file: path, text };
        let file: File = toml::from_str(text).map_err(|error| source.syntax(&error))?;
        let run_dir = absolute(&source, "vch.run_dir", file.vch.run_dir, "/run/vch")?;
        let default_socket = run_dir.join("api.sock");
        let management = host_interfaces::management(&source, file.management)?;
        let docker_endpoint = host_interfaces::docker_endpoint(&source, file.docker_endpoint)?;
        let host_interfaces = [&management, &docker_endpoint.host_interface];
        let bridge = bridge::bridge(&source, file.bridge, host_interfaces)?;
        let others = Others {
            host_interfaces: [
                ("management", &management),
                ("docker_endpoint", &docker_endpoint.host_interface),
            ],
            bridge: &bridge,
        };
        let externals = external::externals(&source, file.external, &others)?;
        let api_socket = match file.api.socket {
            Some(path) => absolute(&source, "api.socket", Some(path), "")?,
            None => default_socket,
        };
        let listeners = metrics::OtherListeners {
            management: &management,
            docker_endpoint: &docker_endpoint,
            api_socket: &api_socket,
        };
        let metrics = metrics::metrics(&source, file.metrics, &listeners)?;
        Ok(Self {
            state_dir: absolute(&source, "vch.state_dir", file.vch.state_dir, "/var/lib/vch")?,
            api_socket,
            run_dir,
            externals,
            management,
            docker_endpoint,
            bridge,
            ephemeral: ports::ephemeral(&source, file.ports)?,
            runtime: runtime::runtime(&source, file.runtime)?,
            images: images::images(&source, file.images)?,
            dns: dns(&source, file.dns)?,
            tether: tether(&source, file.tether)?,
            metrics,
        })
    }
}

fn absolute(
    source: &Source<'_>,
    field: &'static str,
    value: Option<toml::Spanned<PathBuf>>,
    default: &str,
) -> Result<PathBuf, ConfigError> {
    let Some(value) = value else {
        return Ok(PathBuf::from(default));
    };
    if value.get_ref().is_absolute() {
        return Ok(value.into_inner());
    }
    let shown = value.get_ref().display().to_string();
    Err(source.field(value.span(), field, shown, "write an absolute path"))
}

fn dns(source: &Source<'_>, dns: fields::DnsTable) -> Result<Dns, ConfigError> {
    let mut upstreams = Vec::new();
    for upstream in dns.upstreams.unwrap_or_default() {
        let text = upstream.get_ref();
        let address = text
            .parse::<SocketAddr>()
            .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)));
        upstreams.push(address.map_err(|_| {
            let remedy = "write an IP address, or address:port ([address]:port for IPv6)";
            source.field(upstream.span(), "dns.upstreams", text.clone(), remedy)
        })?);
    }
    let threads = source.number("dns.threads", dns.threads, DEFAULT_DNS_THREADS, 1..=64)?;
    let longest = vch_dns::Policy::MAX_TTL.as_secs();
    let ttl = source.number(
        "dns.ttl_seconds",
        dns.ttl_seconds,
        DEFAULT_TTL_SECONDS,
        0..=longest,
    )?;
    Ok(Dns {
        server: vch_dns::Config {
            upstreams,
            threads: usize::try_from(threads).unwrap_or(1),
            ..vch_dns::Config::default()
        },
        policy: vch_dns::Policy {
            ttl: Duration::from_secs(ttl),
            ..vch_dns::Policy::default()
        },
    })
}

fn tether(source: &Source<'_>, tether: fields::TetherTable) -> Result<Tether, ConfigError> {
    let heartbeat = source.number(
        "tether.heartbeat_ms",
        tether.heartbeat_ms,
        DEFAULT_HEARTBEAT_MS,
        100..=60_000,
    )?;
    let deadline = source.number(
        "tether.report_deadline_ms",
        tether.report_deadline_ms,
        DEFAULT_REPORT_DEADLINE_MS,
        0..=60_000,
    )?;
    let vsock_port = tether.vsock_port.map(|port| {
        let (span, port) = (port.span(), port.into_inner());
        let checked = PrivilegedPort::try_from(port).map_err(|error| error.to_string());
        checked.map_err(|error| source.field(span, "tether.vsock_port", port.to_string(), &error))
    });
    Ok(Tether {
        heartbeat: Duration::from_millis(heartbeat),
        report_deadline: Duration::from_millis(deadline),
        vsock_port: vsock_port.transpose()?,
    })
}

#[cfg(test)]
mod tests;
