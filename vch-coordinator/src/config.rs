//! `vch.toml`: what the VCH is told when it starts.
//!
//! Parsed once into types that hold their invariants; an error names file, line, field, value and
//! remedy. The file's shape is documented in `vch.example.toml`, which a test parses.

mod error;
mod fields;

pub use error::ConfigError;

use error::Source;
use fields::File;
use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

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

/// A range that is cut into subnets of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The range.
    pub base: IpNet,
    /// Prefix length of each subnet cut from it, in bits.
    pub size: u8,
}

/// The name server on every gateway address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Who is asked about names that are not ours, in order.
    pub upstreams: Vec<SocketAddr>,
    /// Threads over all sockets.
    pub threads: NonZeroUsize,
    /// How long a client may keep an answer.
    pub ttl: Duration,
}

/// Sessions with agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tether {
    /// Time between two pings.
    pub heartbeat: Duration,
    /// How long a request waits for the agent before it answers `pending`.
    pub report_deadline: Duration,
    /// The native vsock port, below 1024, on which agents that dial are awaited.
    pub vsock_port: Option<u32>,
}

/// First answers like 172.18.0.0/16, then 4,096 networks of a /21 and 256 of a /24.
const DEFAULT_POOLS: [(&str, u8); 4] = [
    ("172.18.0.0/15", 16),
    ("172.20.0.0/14", 16),
    ("10.128.0.0/9", 21),
    ("192.168.0.0/16", 24),
];
const DEFAULT_HEARTBEAT_MS: u64 = 1_000;
const DEFAULT_REPORT_DEADLINE_MS: u64 = 5_000;
const DEFAULT_TTL_SECONDS: u64 = 2;
const DEFAULT_DNS_THREADS: u64 = 2;
/// Ports below this can be bound by root alone (ip(7), vsock(7)).
const FIRST_UNPRIVILEGED_PORT: u64 = 1024;

impl Config {
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
        let parse = |(base, size): (&str, u8)| {
            Some(Pool {
                base: base.parse().ok()?,
                size,
            })
        };
        return Ok(DEFAULT_POOLS.into_iter().filter_map(parse).collect());
    };
    let mut checked: Vec<Pool> = Vec::with_capacity(pools.len());
    for entry in pools {
        let span = entry.span();
        let fields::Pool { base, size } = entry.into_inner();
        let refuse =
            |field, value, remedy: String| Err(source.field(span.clone(), field, value, &remedy));
        if base.trunc() != base {
            let remedy = format!("write {}: a pool's base has no host bits", base.trunc());
            return refuse("bridge.pools.base", base.to_string(), remedy);
        }
        let longest = if base.addr().is_ipv4() { 29 } else { 64 };
        if size < base.prefix_len() || size > longest {
            let remedy = format!("use {} to {longest} bits", base.prefix_len());
            return refuse("bridge.pools.size", size.to_string(), remedy);
        }
        let overlaps = |pool: &&Pool| pool.base.contains(&base) || base.contains(&pool.base);
        if let Some(other) = checked.iter().find(overlaps) {
            let remedy = format!("it overlaps with pool {}: choose another range", other.base);
            return refuse("bridge.pools.base", base.to_string(), remedy);
        }
        checked.push(Pool { base, size });
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
    let ttl = source.number(
        "dns.ttl_seconds",
        dns.ttl_seconds,
        DEFAULT_TTL_SECONDS,
        0..=3600,
    )?;
    Ok(Dns {
        upstreams,
        threads: usize::try_from(threads)
            .ok()
            .and_then(NonZeroUsize::new)
            .unwrap_or(NonZeroUsize::MIN),
        ttl: Duration::from_secs(ttl),
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
    let vsock_port = match tether.vsock_port {
        None => None,
        given => {
            let range = 1..=FIRST_UNPRIVILEGED_PORT - 1;
            let port = source.number("tether.vsock_port", given, 0, range)?;
            u32::try_from(port).ok()
        }
    };
    Ok(Tether {
        heartbeat: Duration::from_millis(heartbeat),
        report_deadline: Duration::from_millis(deadline),
        vsock_port,
    })
}

#[cfg(test)]
mod tests;
