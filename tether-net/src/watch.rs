//! Hears that the kernel's network has changed.
//!
//! What has changed is not read: whoever hears of a change observes again, which a lost event could
//! not make wrong. So an overrun of the socket (ENOBUFS) is a change like any other, and the queue
//! is bounded by the socket's buffer.

use crate::netlink::{NetlinkError, open_socket};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockFlag, recv};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use tokio::io::unix::AsyncFd;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR` and
/// `RTMGRP_IPV6_ROUTE` of linux/rtnetlink.h.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// A socket that hears of changes.
#[derive(Debug)]
pub struct Watch {
    socket: AsyncFd<OwnedFd>,
}

impl Watch {
    /// Listens in the calling thread's network namespace; needs a tokio runtime.
    pub fn open() -> Result<Self, NetlinkError> {
        let socket = open_socket(SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, GROUPS)?;
        let socket = AsyncFd::register(socket).map_err(|error| {
            let error = io::Error::from(error);
            NetlinkError::Open(Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        })?;
        Ok(Self { socket })
    }

    /// Waits until something has changed. Cancel-safe: nothing is taken before it is told.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            if self.forget() {
                return Ok(());
            }
            ready.clear_ready();
        }
    }

    /// Forgets the changes so far, and says whether there were any: what is observed from now on
    /// has them in it.
    pub fn forget(&self) -> bool {
        let mut changed = false;
        loop {
            // The rest of a message that does not fit is dropped by the kernel.
            let mut start = [0; 16];
            let socket = self.socket.get_ref().as_raw_fd();
            match recv(socket, &mut start, MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::ENOBUFS) => changed = true,
                Err(Errno::EINTR) => {}
                Err(_) => return changed,
            }
        }
    }
}
