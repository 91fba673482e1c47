//! One netlink socket: opens, sends, receives (netlink(7)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::{Socket, SocketAddr, protocols};
use nix::errno::Errno;
use nix::libc::{MSG_DONTWAIT, MSG_TRUNC};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

/// The error of a netlink socket. If it happened during a request, it is unknown whether the kernel has carried that
/// out.
#[derive(Debug, thiserror::Error)]
#[error("the netlink socket could not {doing}")]
pub struct SocketError {
    /// The operation that failed, as an English phrase such as "send" or "receive".
    pub doing: &'static str,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

pub(crate) fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> SocketError {
    move |source| SocketError { doing, source }
}

/// The kernel's dumps come in pieces of at most 32 KiB (`netlink_dump` of `af_netlink.c`), its
/// events in pages.
const DATAGRAM_MAX: usize = 64 * 1024;

/// The kernel answers inside the call that asks; this bounds a wait that should not happen.
const ANSWER_SECONDS: i64 = 5;

pub(crate) struct Channel {
    socket: Socket,
    port: u32,
    buffer: Vec<u8>,
    send_limit: usize,
}

impl Channel {
    /// Opens a netlink socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Returns [`SocketError`] if the socket can't be opened, bound or given a time-out.
    pub(crate) fn open() -> Result<Self, SocketError> {
        let mut socket = Socket::new(protocols::NETLINK_NETFILTER).map_err(failed("open"))?;
        let port = socket.bind_auto().map_err(failed("bind"))?.port_number();
        Self::bound(socket, port)
    }

    /// Uses a socket that is open already.
    ///
    /// # Errors
    /// Returns [`SocketError`] if the socket can't be given a time-out.
    #[cfg(feature = "test-util")]
    pub(crate) fn over(socket: std::os::fd::OwnedFd) -> Result<Self, SocketError> {
        use std::os::fd::{FromRawFd, IntoRawFd};
        // SAFETY: the descriptor is open, and is given away.
        #[expect(unsafe_code, reason = "the only way to such a socket")]
        let socket = unsafe { Socket::from_raw_fd(socket.into_raw_fd()) };
        Self::bound(socket, 0)
    }

    fn bound(socket: Socket, port: u32) -> Result<Self, SocketError> {
        let timeout = TimeVal::seconds(ANSWER_SECONDS);
        setsockopt(&socket, sockopt::ReceiveTimeout, &timeout)
            .map_err(|errno| failed("set its time-out")(errno.into()))?;
        Ok(Self {
            socket,
            port,
            buffer: vec![0; DATAGRAM_MAX],
            send_limit: 0,
        })
    }

    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sets the size of the receive buffer in bytes, beyond the system's limit if this process may
    /// (`CAP_NET_ADMIN`).
    ///
    /// # Errors
    /// Returns [`SocketError`] if the kernel refuses the size.
    pub(crate) fn reserve_receive(&self, bytes: usize) -> Result<(), SocketError> {
        setsockopt(&self.socket, sockopt::RcvBufForce, &bytes)
            .or_else(|_| setsockopt(&self.socket, sockopt::RcvBuf, &bytes))
            .map_err(|errno| failed("enlarge its receive buffer")(errno.into()))
    }

    /// Sends one datagram of any length. The kernel has carried its requests out when this returns.
    ///
    /// # Errors
    /// Returns [`SocketError`] if the send buffer can't be enlarged or the datagram can't be sent.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), SocketError> {
        if bytes.len() > self.send_limit {
            // The kernel doubles what is asked for, which covers its own bookkeeping.
            let limit = bytes.len().next_power_of_two().max(DATAGRAM_MAX);
            setsockopt(&self.socket, sockopt::SndBufForce, &limit)
                .or_else(|_| setsockopt(&self.socket, sockopt::SndBuf, &limit))
                .map_err(|errno| failed("enlarge its send buffer")(errno.into()))?;
            self.send_limit = limit;
        }
        let kernel = SocketAddr::new(0, 0);
        let sent = self.socket.send_to(bytes, &kernel, 0);
        sent.map(drop).map_err(failed("send"))
    }

    /// Returns the next datagram; `None` if none has arrived.
    ///
    /// # Errors
    /// Returns [`SocketError`] if the socket reports an error, such as lost datagrams, or the
    /// datagram is too long.
    pub(crate) fn receive_now(&mut self) -> Result<Option<&[u8]>, SocketError> {
        match self.receive_with(MSG_DONTWAIT) {
            Ok(length) => Ok(Some(&self.buffer[..length])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(failed("receive")(error)),
        }
    }

    /// Waits for the next datagram up to the socket's time-out, and returns it.
    ///
    /// # Errors
    /// Returns [`SocketError`] if no datagram arrives in time, the socket reports an error, or the
    /// datagram is too long.
    pub(crate) fn receive(&mut self) -> Result<&[u8], SocketError> {
        let length = self.receive_with(0).map_err(failed("receive"))?;
        Ok(&self.buffer[..length])
    }

    fn receive_with(&mut self, flags: i32) -> io::Result<usize> {
        let length = loop {
            let mut free = self.buffer.as_mut_slice();
            match self.socket.recv(&mut free, flags | MSG_TRUNC) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if length > self.buffer.len() {
            return Err(Errno::EMSGSIZE.into());
        }
        Ok(length)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
