//! AF_VSOCK (vsock(7), linux/vm_sockets.h): what the standard library and tokio lack of it.
//!
//! A connected vsock socket is read and written as any stream, so it travels as tokio's Unix
//! stream.

use super::{ChannelStream, DIAL_DEADLINE, OpenError, Peer, PrivilegedPort, watch};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrLike, VsockAddr, accept4, bind, connect,
    getpeername, getsockopt, listen, socket, sockopt,
};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

/// `VMADDR_CID_HOST` of linux/vm_sockets.h.
pub(super) const CID_HOST: u32 = 2;
/// Ports that only root can bind (`LAST_RESERVED_PORT` of the kernel's af_vsock.c is 1023); half of
/// them, so that those of listeners are left alone.
const SOURCE_PORTS: std::ops::RangeInclusive<u32> = 512..=1023;
/// `VMADDR_FLAG_TO_HOST` of linux/vm_sockets.h: by way of the host, to a sibling.
const FLAG_TO_HOST: u8 = 1;
/// Connections that may wait to be accepted: agents of VMs that start together.
const BACKLOG: i32 = 128;

/// Whether the peer is root where it is.
pub(super) fn is_privileged(peer: Peer) -> bool {
    peer.port <= *SOURCE_PORTS.end()
}

/// A socket that listens on a port below 1024.
pub(super) struct Listener(AsyncFd<OwnedFd>);

impl Listener {
    pub(super) fn bind(port: PrivilegedPort) -> Result<Self, OpenError> {
        let object = format!("vsock port {port}");
        let refused = |action| OpenError::refused(action, object.clone());
        let fd = new_socket().map_err(refused("make a socket for"))?;
        bind(
            fd.as_raw_fd(),
            &VsockAddr::new(libc::VMADDR_CID_ANY, port.get()),
        )
        .map_err(|errno| refused("bind")(errno.into()))?;
        let backlog = Backlog::new(BACKLOG).unwrap_or(Backlog::MAXCONN);
        listen(&fd, backlog).map_err(|errno| refused("listen on")(errno.into()))?;
        watch(fd).map(Self).map_err(refused("watch"))
    }

    /// The next connection and who made it. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<(ChannelStream, Peer)> {
        loop {
            let mut guard = self.0.readable().await?;
            match guard.try_io(|fd| accept_one(fd.get_ref())) {
                Ok(Ok((fd, peer))) => return Ok((into_stream(fd)?, peer)),
                // The peer went away again, or went away before its address was asked for.
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

fn accept_one(listener: &OwnedFd) -> io::Result<(OwnedFd, Peer)> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let raw = accept4(listener.as_raw_fd(), flags)?;
    #[expect(
        unsafe_code,
        reason = "accept4 gives a bare number, new and ours alone"
    )]
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    let address: VsockAddr = getpeername(fd.as_raw_fd())?;
    let peer = Peer {
        cid: address.cid(),
        port: address.port(),
    };
    Ok((fd, peer))
}

/// Connects to `port` of context `cid` from a source port below 1024, which shows that we are root.
///
/// Each try has a socket of its own: one that has failed to connect is of no more use.
pub(super) async fn dial(cid: u32, port: PrivilegedPort) -> Result<ChannelStream, OpenError> {
    let object = format!("vsock:{cid}:{port}");
    let fd = bound_socket(&object)?;
    match connect(fd.as_raw_fd(), &remote(cid, port)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(errno) => return Err(OpenError::refused("connect to", object)(errno.into())),
    }
    let fd = watch(fd).map_err(OpenError::refused("watch", &object))?;
    let connected = async {
        let _ready = fd.writable().await?;
        // Writable says that the try is over; how it ended is asked for.
        match getsockopt(&fd, sockopt::SocketError)? {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    };
    match tokio::time::timeout(DIAL_DEADLINE, connected).await {
        Err(_) => return Err(OpenError::TimedOut { object }),
        Ok(result) => result.map_err(OpenError::refused("connect to", &object))?,
    }
    into_stream(fd.into_inner()).map_err(OpenError::refused("watch", &object))
}

fn bound_socket(object: &str) -> Result<OwnedFd, OpenError> {
    let fd = new_socket().map_err(OpenError::refused("make a socket for", object))?;
    for port in SOURCE_PORTS.rev() {
        match bind(fd.as_raw_fd(), &VsockAddr::new(libc::VMADDR_CID_ANY, port)) {
            Ok(()) => return Ok(fd),
            Err(Errno::EADDRINUSE) => {}
            Err(errno) => {
                let action = "bind a source port below 1024 for";
                return Err(OpenError::refused(action, object)(errno.into()));
            }
        }
    }
    Err(OpenError::NoPortLeft)
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    Ok(socket(AddressFamily::Vsock, SockType::Stream, flags, None)?)
}

/// The address of a peer; one beyond the host is a sibling, reached by way of the host.
fn remote(cid: u32, port: PrivilegedPort) -> VsockAddr {
    let plain = VsockAddr::new(cid, port.get());
    if cid <= CID_HOST {
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

fn into_stream(fd: OwnedFd) -> io::Result<ChannelStream> {
    let stream = std::os::unix::net::UnixStream::from(fd);
    Ok(Box::new(UnixStream::from_std(stream)?))
}

#[cfg(test)]
mod tests;
