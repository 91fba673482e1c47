//! `vch.toml`: what the VCH is told when it starts.
//!
//! Parsed once into types that hold their invariants; an error names file, line, field, value and
//! remedy. The file's shape is documented in `vch.example.toml`, which a test parses.

mod error;
mod fields;

pub use error::ConfigError;

use error::Source;
use fields::File;
use protocol::transport::PrivilegedPort;
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use vch_ledger::{Pool, Settings, VchId, default_pools};

/// A whole, checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the store lies; lasts over restarts.
    pub state_dir: PathBuf,
    /// Where sockets lie; may be emptied at boot.
    pub run_dir: PathBuf,
    /// The native API's Unix socket.
    pub api_socket: PathBuf,
    /// From where automatic subnets are cut, in order.
    pub pools: Vec<Pool>,
    /// The name server.
    pub dns: Dns,
    /// Sessions with agents.
    pub tether: Tether,
}

/// The name server on every gateway address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Its threads, and who is asked about names that are not ours.
    pub server: vch_dns::Config,
    /// How it answers about names that are ours.
    pub policy: vch_dns::Policy,
}

/// Sessions with agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tether {
    /// Time between two pings.
    pub heartbeat: Duration,
    /// How long a request waits for the agent before it answers `pending`.
    pub report_deadline: Duration,
    /// The native vsock port on which agents that dial are awaited.
    pub vsock_port: Option<PrivilegedPort>,
}

const DEFAULT_HEARTBEAT_MS: u64 = 1_000;
const DEFAULT_REPORT_DEADLINE_MS: u64 = 5_000;
const DEFAULT_TTL_SECONDS: u64 = 0;
const DEFAULT_DNS_THREADS: u64 = 2;

impl Config {
    /// What the ledger of this VCH is told.
    pub fn ledger_settings(&self, vch: VchId) -> Settings {
        Settings {
            pools: self.pools.clone(),
            ..Settings::of(vch)
        }
    }

    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            file: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Checks a file's text; `path` is only for errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = Source { file: path, text };
        let file: File = toml::from_str(text).map_err(|error| source.syntax(&error))?;
        let run_dir = absolute(&source, "vch.run_dir", file.vch.run_dir, "/run/vch")?;
        let default_socket = run_dir.join("api.sock");
        Ok(Self {
            state_dir: absolute(&source, "vch.state_dir", file.vch.state_dir, "/var/lib/vch")?,
            api_socket: match file.api.socket {
                Some(path) => absolute(&source, "api.socket", Some(path), "")?,
                None => default_socket,
            },
            run_dir,
            pools: pools(&source, file.bridge.pools)?,
            dns: dns(&source, file.dns)?,
            tether: tether(&source, file.tether)?,
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

fn pools(
    source: &Source<'_>,
    pools: Option<Vec<toml::Spanned<fields::Pool>>>,
) -> Result<Vec<Pool>, ConfigError> {
    let Some(pools) = pools else {
        return Ok(default_pools());
    };
    let mut checked: Vec<Pool> = Vec::with_capacity(pools.len());
    for entry in pools {
        let span = entry.span();
        let fields::Pool { base, size } = entry.into_inner();
        let shown = format!("{base} in subnets of /{size}");
        let refuse = |remedy: &str| source.field(span, "bridge.pools", shown, remedy);
        let overlaps = |pool: &&Pool| pool.base().contains(&base) || base.contains(&pool.base());
        if let Some(other) = checked.iter().find(overlaps) {
            let remedy = format!(
                "it overlaps with pool {}: choose another range",
                other.base()
            );
            return Err(refuse(&remedy));
        }
        checked.push(Pool::new(base, size).map_err(|error| refuse(&error.to_string()))?);
    }
    Ok(checked)
}

fn dns(source: &Source<'_>, dns: fields::Dns) -> Result<Dns, ConfigError> {
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

fn tether(source: &Source<'_>, tether: fields::Tether) -> Result<Tether, ConfigError> {
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
