//! Waits for changes of the kernel's network.
//!
//! The content of a notification is not read: the agent observes the whole state again after each.
//! A lost notification therefore does no harm, an overrun of the socket (ENOBUFS) counts as a
//! change, and the socket's buffer bounds the queue.

use crate::netlink::NetlinkError;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram as Datagrams;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR` and
/// `RTMGRP_IPV6_ROUTE` of linux/rtnetlink.h.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// A netlink socket on which the kernel notifies the agent of changed links, addresses and routes, from [`Watch::open`]
/// on.
#[derive(Debug)]
pub struct Watch {
    /// A netlink socket: datagrams on a descriptor, which is all that this type makes use of.
    socket: UnixDatagram,
}

impl Watch {
    /// Opens a socket in the calling thread's network namespace; needs a tokio runtime.
    ///
    /// # Errors
    /// Returns [`NetlinkError::Open`] if the kernel refuses the socket.
    pub fn open() -> Result<Self, NetlinkError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)
            .map_err(NetlinkError::Open)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS)).map_err(NetlinkError::Open)?;
        let socket = UnixDatagram::from_std(Datagrams::from(socket)).map_err(|error| {
            NetlinkError::Open(Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        })?;
        Ok(Self { socket })
    }

    /// Waits until the kernel's network has changed since the last notification that was taken. Takes one notification,
    /// whose content is not read; others remain for the next call or [`Watch::forget`]. Cancel-safe: no notification is
    /// lost if the future is dropped.
    ///
    /// # Errors
    /// Returns the system's error if the socket fails. Notifications that the kernel dropped (ENOBUFS) count as a
    /// change.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            self.socket.readable().await?;
            match self.socket.try_io(Interest::READABLE, || self.take()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    /// Discards the notifications so far without waiting, and returns whether it discarded any. The caller observes the
    /// kernel afterwards, which includes the changes.
    pub fn forget(&self) -> bool {
        let mut changed = false;
        // Not by tokio, which knows only what the reactor had heard when it ran last.
        while self.take().is_ok() {
            changed = true;
        }
        changed
    }

    fn take(&self) -> io::Result<()> {
        // The rest of a message that does not fit is dropped by the kernel.
        let mut start = [0; 16];
        loop {
            match recv(self.socket.as_raw_fd(), &mut start, MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::ENOBUFS) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
