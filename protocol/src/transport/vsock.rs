//! AF_VSOCK (vsock(7), linux/vm_sockets.h) by the crate `vsock`, non-blocking; only connecting from
//! a chosen source port is ours.
//!
//! A connected vsock socket is read and written as any stream, so it travels as tokio's Unix
//! stream.

use super::{ChannelStream, DIAL_DEADLINE, OpenError, Peer, PrivilegedPort, watch};
use ::vsock::{
    SockaddrLike, VMADDR_CID_ANY, VMADDR_CID_HOST, VsockAddr, VsockListener, VsockStream,
};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, bind, connect, socket};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

/// Ports that only root can bind (`LAST_RESERVED_PORT` of the kernel's af_vsock.c is 1023); half of
/// them, so that those of listeners are left alone.
const SOURCE_PORTS: std::ops::RangeInclusive<u32> = 512..=1023;
/// `VMADDR_FLAG_TO_HOST` of linux/vm_sockets.h: by way of the host, to a sibling.
const FLAG_TO_HOST: u8 = 1;

/// Returns whether the peer is root on its machine.
pub(super) fn is_privileged(peer: Peer) -> bool {
    peer.port <= *SOURCE_PORTS.end()
}

impl From<VsockAddr> for Peer {
    fn from(address: VsockAddr) -> Self {
        Self {
            cid: address.cid(),
            port: address.port(),
        }
    }
}

/// A socket that listens on a port below 1024.
pub(super) struct Listener(AsyncFd<VsockListener>);

impl Listener {
    /// Listens on a port of this machine.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the port can't be bound.
    pub(super) fn bind(port: PrivilegedPort) -> Result<Self, OpenError> {
        let listening = || {
            let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, port.get())?;
            listener.set_nonblocking(true)?;
            watch(listener).map(Self)
        };
        listening().map_err(OpenError::refused(
            "listen on",
            format_args!("vsock port {port}"),
        ))
    }

    /// Waits for the next connection; returns it with its peer. Cancel-safe.
    ///
    /// # Errors
    /// Returns the error of accept(2).
    pub(super) async fn accept(&self) -> io::Result<(ChannelStream, Peer)> {
        loop {
            let mut guard = self.0.readable().await?;
            match guard.try_io(|listener| listener.get_ref().accept()) {
                Ok(Ok((stream, address))) => return Ok((into_channel(stream)?, address.into())),
                // The peer went away again before it was accepted.
                Ok(Err(error)) if is_peers_fault(&error) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
        }
    }
}

fn is_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NotConnected
            | io::ErrorKind::Interrupted
    )
}

/// Connects to `port` of context `cid` from a source port below 1024, which shows that we are root.
///
/// Each try has a socket of its own: one that has failed to connect is of no more use. The crate
/// connects from whatever port the kernel picks, so the way from socket to connection is ours.
///
/// # Errors
/// Returns [`OpenError`] if no source port is free, or the peer does not accept the connection.
pub(super) async fn dial(cid: u32, port: PrivilegedPort) -> Result<ChannelStream, OpenError> {
    let object = format!("vsock:{cid}:{port}");
    let fd = bound_socket(&object)?;
    match connect(fd.as_raw_fd(), &remote(cid, port)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(errno) => return Err(OpenError::refused("connect to", object)(errno.into())),
    }
    let connecting = watch(VsockStream::from(fd)).map_err(OpenError::refused("watch", &object))?;
    let connected = async {
        let _ready = connecting.writable().await?;
        // Writable says that the try is over; how it ended is asked for.
        connecting.get_ref().take_error()?.map_or(Ok(()), Err)
    };
    match tokio::time::timeout(DIAL_DEADLINE, connected).await {
        Err(_) => return Err(OpenError::TimedOut { object }),
        Ok(result) => result.map_err(OpenError::refused("connect to", &object))?,
    }
    into_channel(connecting.into_inner()).map_err(OpenError::refused("watch", &object))
}

fn bound_socket(object: &str) -> Result<OwnedFd, OpenError> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let refused = |action| OpenError::refused(action, object);
    let fd = socket(AddressFamily::Vsock, SockType::Stream, flags, None)
        .map_err(|errno| refused("make a socket for")(errno.into()))?;
    for port in SOURCE_PORTS.rev() {
        match bind(fd.as_raw_fd(), &VsockAddr::new(VMADDR_CID_ANY, port)) {
            Ok(()) => return Ok(fd),
            Err(Errno::EADDRINUSE) => {}
            Err(errno) => {
                return Err(refused("bind a source port below 1024 for")(errno.into()));
            }
        }
    }
    Err(OpenError::NoPortLeft)
}

/// Returns the address of a peer; one beyond the host is a sibling, reached by way of the host.
fn remote(cid: u32, port: PrivilegedPort) -> VsockAddr {
    let plain = VsockAddr::new(cid, port.get());
    if cid <= VMADDR_CID_HOST {
        return plain;
    }
    let mut address: libc::sockaddr_vm = *plain.as_ref();
    // svm_flags lies where libc still has the first byte of svm_zero.
    address.svm_zero[0] = FLAG_TO_HOST;
    let length = libc::socklen_t::try_from(size_of_val(&address)).ok();
    #[expect(
        unsafe_code,
        reason = "the crate knows no flags: read back what it wrote itself"
    )]
    let flagged = unsafe { VsockAddr::from_raw((&raw const address).cast(), length) };
    flagged.unwrap_or(plain)
}

fn into_channel(stream: VsockStream) -> io::Result<ChannelStream> {
    stream.set_nonblocking(true)?;
    let stream = std::os::unix::net::UnixStream::from(OwnedFd::from(stream));
    Ok(Box::new(UnixStream::from_std(stream)?))
}

#[cfg(test)]
mod tests;
