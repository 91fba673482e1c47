//! The server's settings, checked.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The server's settings. Start from [`Config::default`] and change what differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The port of every address that is listened on; 53 by default. 0 takes a free port for each
    /// address, for tests.
    pub port: u16,
    /// The number of threads that serve all sockets: 1 to 64; 2 by default.
    pub threads: usize,
    /// The upstream servers that are asked for outside names, in order of preference; at most 8. If
    /// empty, such names get SERVFAIL.
    pub upstreams: Vec<SocketAddr>,
    /// The time that one upstream server has for one try: 1.5 s by default, so that three tries fit
    /// into the 5 s for which a resolver waits (resolv.conf(5), `timeout`).
    pub upstream_timeout: Duration,
    /// The time after which a question is given up, over all tries: 4.5 s by default.
    pub upstream_deadline: Duration,
    /// The most questions that wait for upstream servers at once, over all threads: 1,024 by default, one file
    /// descriptor each. Beyond it the oldest question of the client that has most gives way, with SERVFAIL, to a
    /// client that has fewer.
    pub max_outstanding: usize,
    /// The most questions of one client that wait for upstream servers at once: 128 by default.
    pub max_outstanding_per_client: usize,
    /// The most questions by UDP that wait to be answered, on each thread: 1,024 by default, about 1.4 KB each. They
    /// are served in turn, one of each client. A client may have as many waiting as there is room left, which is half
    /// of it if no other client asks; further ones are not answered.
    pub max_waiting: usize,
    /// The most TCP connections of clients at once, over all threads: 512 by default. Beyond it the
    /// connection that has been silent longest is closed.
    pub max_connections: usize,
    /// The most TCP connections of one client at once: 16 by default. Beyond it a new one is
    /// closed.
    pub max_connections_per_client: usize,
    /// The time that a client's TCP connection may be without a question: 10 s by default (RFC
    /// 7766, 6.2.3: "of the order of a few seconds").
    pub idle_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 53,
            threads: 2,
            upstreams: Vec::new(),
            upstream_timeout: Duration::from_millis(1500),
            upstream_deadline: Duration::from_millis(4500),
            max_outstanding: 1024,
            max_outstanding_per_client: 128,
            max_waiting: 1_024,
            max_connections: 512,
            max_connections_per_client: 16,
            idle_timeout: Duration::from_secs(10),
        }
    }
}

/// A setting that is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number is out of its bounds.
    #[error("dns: {field} = {value} is not possible: use {least} to {most}")]
    Number {
        /// The setting's name.
        field: &'static str,
        /// The number.
        value: usize,
        /// The least possible number.
        least: usize,
        /// The greatest possible number.
        most: usize,
    },
    /// A time is out of its bounds.
    #[error("dns: {field} = {value:?} is not possible: use {least:?} to {most:?}")]
    Time {
        /// The setting's name.
        field: &'static str,
        /// The time.
        value: Duration,
        /// The least possible time.
        least: Duration,
        /// The greatest possible time.
        most: Duration,
    },
    /// An upstream server is given twice.
    #[error("dns: upstream {server} is given twice: name each server once")]
    UpstreamTwice {
        /// The upstream server.
        server: SocketAddr,
    },
    /// An upstream server has an address that no server can have.
    #[error("dns: upstream {server} is no server's address: give a unicast address and a port")]
    UpstreamAddress {
        /// The upstream server.
        server: SocketAddr,
    },
    /// An upstream server is an address that this server listens on: it would ask itself.
    #[error("dns: upstream {server} is an address that this server listens on: name another")]
    UpstreamIsOurs {
        /// The upstream server.
        server: SocketAddr,
    },
}

const MAX_UPSTREAMS: usize = 8;

impl Config {
    /// Checks the numbers and the upstream servers.
    ///
    /// # Errors
    /// Returns [`ConfigError`] for the first value that is not possible.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        number("threads", self.threads, 1..=64)?;
        number("max_outstanding", self.max_outstanding, 1..=65_536)?;
        number(
            "max_outstanding_per_client",
            self.max_outstanding_per_client,
            1..=65_536,
        )?;
        number("max_waiting", self.max_waiting, 2..=65_536)?;
        number("max_connections", self.max_connections, 1..=65_536)?;
        number(
            "max_connections_per_client",
            self.max_connections_per_client,
            1..=65_536,
        )?;
        time("upstream_timeout", self.upstream_timeout)?;
        time("upstream_deadline", self.upstream_deadline)?;
        time("idle_timeout", self.idle_timeout)?;
        check_upstreams(&self.upstreams)
    }
}

/// Checks the upstream servers.
///
/// # Errors
/// Returns [`ConfigError`] for the first server that is not possible.
pub(crate) fn check_upstreams(upstreams: &[SocketAddr]) -> Result<(), ConfigError> {
    number("upstreams", upstreams.len(), 0..=MAX_UPSTREAMS)?;
    let mut seen = BTreeSet::new();
    for &server in upstreams {
        let ip = server.ip();
        if ip.is_unspecified() || ip.is_multicast() || server.port() == 0 {
            return Err(ConfigError::UpstreamAddress { server });
        }
        if !seen.insert(server) {
            return Err(ConfigError::UpstreamTwice { server });
        }
    }
    Ok(())
}

fn number(
    field: &'static str,
    value: usize,
    bounds: RangeInclusive<usize>,
) -> Result<(), ConfigError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::Number {
        field,
        value,
        least: *bounds.start(),
        most: *bounds.end(),
    })
}

fn time(field: &'static str, value: Duration) -> Result<(), ConfigError> {
    let (least, most) = (Duration::from_millis(10), Duration::from_secs(60));
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::Time {
        field,
        value,
        least,
        most,
    })
}

#[cfg(test)]
mod tests;
