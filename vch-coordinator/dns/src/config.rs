//! The name server's settings, with their limits.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The name server's settings. Start from [`Config::default`] and change single fields;
/// [`Server::spawn`](crate::Server::spawn) refuses settings that are out of their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The port on which every gateway address is served; 53 by default. With 0, each address gets a free port, for
    /// tests.
    pub port: u16,
    /// The number of threads that serve all sockets: 1 to 64, 2 by default.
    pub threads: usize,
    /// The upstream servers, to which queries for names that are not published here are forwarded, in order of
    /// preference. At most 8. If empty, such queries get SERVFAIL.
    pub upstreams: Vec<SocketAddr>,
    /// How long one upstream server may take to answer one try: 1.5 s by default, 10 ms to 60 s. Three tries then fit
    /// into the 5 s for which a client's resolver waits (resolv.conf(5), `timeout`).
    pub upstream_timeout: Duration,
    /// How long a query may take over all tries of all upstream servers: 4.5 s by default, 10 ms to 60 s. Then it gets
    /// SERVFAIL.
    pub upstream_deadline: Duration,
    /// The most queries that wait for upstream servers at once: 1,024 by default, 1 to 65,536. Each takes a file
    /// descriptor. Each thread may use an equal part of them. A thread whose part is used up answers the oldest waiting
    /// query of the client that has most with SERVFAIL, to make room for a client that has at least two fewer; other
    /// queries get SERVFAIL at once.
    pub max_outstanding: usize,
    /// The most queries of one client that wait for upstream servers at once, on each thread: 128 by default, 1 to
    /// 65,536. Further ones get SERVFAIL at once.
    pub max_outstanding_per_client: usize,
    /// The most queries by UDP that wait to be processed, on each thread: 1,024 by default, 2 to 65,536, about 1.4 KB
    /// each. They are served in turn, one of each client. A client may have as many waiting as room is left, so a
    /// single client uses at most half of it; its further queries are dropped.
    pub max_waiting: usize,
    /// The most TCP connections of clients at once: 512 by default, 1 to 65,536. Each thread may use an equal part of
    /// them. If its part is used up, it closes the connection that has been idle longest for a new one.
    pub max_connections: usize,
    /// The most TCP connections of one client at once, on each thread: 16 by default, 1 to 65,536. Beyond this, a new
    /// connection is closed at once.
    pub max_connections_per_client: usize,
    /// How long a client's TCP connection may be without a query before it is closed: 10 s by default, 10 ms to 60 s
    /// (RFC 7766, 6.2.3: "of the order of a few seconds").
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

/// The reason why a setting of the name server, or an upstream server, is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number in [`Config`], or the number of upstream servers, is out of its limits.
    #[error("dns: {field} = {value} is not possible: use {least} to {most}")]
    Number {
        /// The name of the setting: a field of [`Config`].
        field: &'static str,
        /// The number.
        value: usize,
        /// The least allowed number.
        least: usize,
        /// The greatest allowed number.
        most: usize,
    },
    /// A time in [`Config`] is out of its limits.
    #[error("dns: {field} = {value:?} is not possible: use {least:?} to {most:?}")]
    Time {
        /// The name of the setting: a field of [`Config`].
        field: &'static str,
        /// The time.
        value: Duration,
        /// The least allowed time.
        least: Duration,
        /// The greatest allowed time.
        most: Duration,
    },
    /// An upstream server is given twice.
    #[error("dns: upstream {server} is given twice: name each server once")]
    UpstreamTwice {
        /// The upstream server.
        server: SocketAddr,
    },
    /// An upstream server's address is unspecified or multicast, or its port is 0.
    #[error("dns: upstream {server} is no server's address: give a unicast address and a port")]
    UpstreamAddress {
        /// The upstream server.
        server: SocketAddr,
    },
    /// An upstream server's address is served by this server: it would query itself.
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
