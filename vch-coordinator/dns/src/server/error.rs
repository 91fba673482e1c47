//! Errors of the server.

use std::io;
use std::net::IpAddr;

use crate::config::ConfigError;
use crate::network_id::NetworkId;

/// The reason why the name server can't be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A setting is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The kernel refused something that a thread needs.
    #[error("dns: thread {thread} could not be started: see to the limits of files and threads")]
    Thread {
        /// The thread's number, from 0.
        thread: usize,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
}

/// The reason why the name server can't serve an address.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program has the port, at this address or at all addresses.
    #[error(
        "dns: {transport} port {port} of {ip} is in use: stop the program that holds it there or \
         on the wildcard address (`ss -lnp 'sport = :{port}'` names it)"
    )]
    InUse {
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
        /// `udp` or `tcp`.
        transport: &'static str,
    },
    /// The kernel refused to open or bind a socket.
    #[error("dns: no {transport} socket on port {port} of {ip}")]
    Open {
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
        /// `udp` or `tcp`.
        transport: &'static str,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The kernel does not let a thread wait on the sockets (epoll_ctl(2): no memory, or
    /// /proc/sys/fs/epoll/max_user_watches is reached).
    #[error("dns: the sockets of {ip} can't be waited on: see to fs.epoll.max_user_watches")]
    Watch {
        /// The address.
        ip: IpAddr,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The address is already served for another network: an address is the gateway of one network only.
    #[error("dns: {ip} is already served for network {}: unlisten it first", network.0)]
    OtherNetwork {
        /// The address.
        ip: IpAddr,
        /// The network for which it is served.
        network: NetworkId,
    },
    /// The address can't be a gateway's: it is unspecified, multicast, broadcast or link-local
    /// IPv6.
    #[error(
        "dns: {ip} can't be listened on: give one unicast address (an IPv6 address that is not \
         link-local)"
    )]
    Address {
        /// The address.
        ip: IpAddr,
    },
    /// The address is that of an upstream server: the server would query itself.
    #[error("dns: {ip} is configured as an upstream server: name another server")]
    IsUpstream {
        /// The address.
        ip: IpAddr,
    },
    /// The server's threads have ended.
    #[error("dns: the server has stopped: start it again")]
    Stopped,
}

/// The error of a shutdown: some of the server's threads had already failed before.
#[derive(Debug, thiserror::Error)]
#[error("dns: {} threads failed: {}", failed.len(), failed.join("; "))]
pub struct ShutdownError {
    /// One text for each failed thread, with the reason.
    pub failed: Vec<String>,
}
