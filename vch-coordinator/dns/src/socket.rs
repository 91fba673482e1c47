//! Opens the sockets of one gateway address, and those to upstream servers.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel accepts before we do.
const BACKLOG: i32 = 128;
/// A port that is free for UDP may be taken for TCP.
const FREE_PORT_TRIES: usize = 16;

/// The error of opening a socket.
#[derive(Debug)]
pub(crate) struct OpenError {
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// The kernel's error.
    pub source: io::Error,
}

/// The UDP and TCP sockets of one address, on the same port.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// The socket that receives queries by UDP.
    pub udp: UdpSocket,
    /// The socket that listens for TCP connections.
    pub tcp: TcpListener,
    /// The address and port that both are bound to.
    pub local: SocketAddr,
}

impl Sockets {
    /// Opens the sockets in the network namespace of the calling thread. They are bound to exactly
    /// this address, so that replies leave from it; with IP_FREEBIND (ip(7)) or IPV6_FREEBIND, so
    /// that the address may still be in duplicate detection, or come later, or go and come back.
    ///
    /// # Errors
    /// Returns [`OpenError`] if a socket can't be opened or bound.
    pub(crate) fn open(ip: IpAddr, port: u16) -> Result<Self, OpenError> {
        let mut tries = if port == 0 { FREE_PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match Self::open_once(ip, port) {
                Err(error) if tries > 0 && error.source.kind() == ErrorKind::AddrInUse => {}
                other => return other,
            }
        }
    }

    fn open_once(ip: IpAddr, port: u16) -> Result<Self, OpenError> {
        let udp = bound(ip, port, Type::DGRAM, Protocol::UDP).map_err(|source| OpenError {
            transport: "udp",
            source,
        })?;
        let udp = UdpSocket::from(udp);
        let failed = |source| OpenError {
            transport: "tcp",
            source,
        };
        let local = udp.local_addr().map_err(failed)?;
        let tcp = bound(ip, local.port(), Type::STREAM, Protocol::TCP).map_err(failed)?;
        tcp.listen(BACKLOG).map_err(failed)?;
        Ok(Self {
            udp,
            tcp: tcp.into(),
            local,
        })
    }
}

fn bound(ip: IpAddr, port: u16, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let address = SocketAddr::new(ip, port);
    let socket = Socket::new(
        Domain::for_address(address),
        kind.nonblocking().cloexec(),
        Some(protocol),
    )?;
    if ip.is_ipv4() {
        socket.set_freebind_v4(true)?;
    } else {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    }
    if kind == Type::STREAM {
        // A restart must not wait for connections in TIME_WAIT. Not for UDP: there it would let
        // another socket take the address over.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Begins a TCP connection to an upstream server, without waiting for it.
///
/// # Errors
/// Returns an error if the socket can't be opened or the connection is refused at once.
pub(crate) fn connecting(server: SocketAddr) -> io::Result<std::net::TcpStream> {
    let socket = Socket::new(
        Domain::for_address(server),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// Opens a UDP socket that receives datagrams from that server only, on a random port that the
/// kernel chooses (RFC 5452, 9.2).
///
/// # Errors
/// Returns an error if the socket can't be opened, bound or connected.
pub(crate) fn asking(server: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(server),
        Type::DGRAM.nonblocking().cloexec(),
        Some(Protocol::UDP),
    )?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}
