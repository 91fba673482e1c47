//! A client's socket, which also shows whether the client has disconnected.

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{Shutdown, shutdown, sockopt},
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::{Instant, sleep},
};

/// The time before the first keepalive probe of a silent client, and between two probes: as in Go's
/// HTTP server.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// The number of unanswered probes after which a client counts as dead.
const PROBES: u32 = 9;
/// The interval at which [`Peer::gone`] checks its client. A stream may outlive its client by this
/// time.
const LOOK: Duration = Duration::from_secs(1);
/// How long [`Peer::has_read`] waits for a client to read. No data is lost if the client reads
/// nothing.
const READ_DEADLINE: Duration = Duration::from_secs(10);
/// The first and the longest pause between two checks whether the client has read. The pause
/// doubles, since most clients read at once.
const FIRST_PAUSE: Duration = Duration::from_micros(250);
const LAST_PAUSE: Duration = Duration::from_millis(20);

/// A TCP or Unix socket. Clones share the socket.
#[derive(Clone, Debug)]
pub(crate) struct Socket(Arc<SocketKind>);

#[derive(Debug)]
enum SocketKind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self(Arc::new(SocketKind::Unix(stream)))
    }
}

impl Socket {
    /// Returns the socket of a TCP client. A dead client is noticed after at most 150 s, whether it
    /// owes an answer to a probe or to data.
    ///
    /// # Errors
    /// Returns an error if a socket option cannot be set.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        use nix::sys::socket::setsockopt;
        // A keystroke in `docker run -it` is a packet of its own, which Nagle's algorithm would
        // delay.
        stream.set_nodelay(true)?;
        let (every, probes) = (KEEPALIVE, PROBES);
        let seconds = u32::try_from(every.as_secs()).unwrap_or(u32::MAX);
        let unanswered = u32::try_from((every * (probes + 1)).as_millis()).unwrap_or(u32::MAX);
        setsockopt(&stream, sockopt::KeepAlive, &true)?;
        setsockopt(&stream, sockopt::TcpKeepIdle, &seconds)?;
        setsockopt(&stream, sockopt::TcpKeepInterval, &seconds)?;
        setsockopt(&stream, sockopt::TcpKeepCount, &probes)?;
        setsockopt(&stream, sockopt::TcpUserTimeout, &unanswered)?;
        Ok(Self(Arc::new(SocketKind::Tcp(stream))))
    }

    /// Returns the client of the socket.
    pub(crate) fn peer(&self) -> Peer {
        Peer(Arc::clone(&self.0))
    }
}

impl AsFd for SocketKind {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// The client that sent a request. The server adds it to each request as an extension, so that a
/// handler can notice that the client has disconnected.
#[derive(Clone, Debug)]
pub struct Peer(Arc<SocketKind>);

impl Peer {
    /// Waits until the client has disconnected: its socket is closed for reading and writing, or (TCP only) the client
    /// no longer answers keepalive probes. It looks once a second; a dead TCP client is noticed within 150 s.
    /// Cancel-safe.
    pub async fn gone(&self) {
        while !self.hung_up() {
            sleep(LOOK).await;
        }
    }

    /// Waits until the client has read all that was written to its Unix socket, or has disconnected, for at most 10 s;
    /// the result does not tell which. Returns at once for TCP, where the kernel does not report this.
    pub async fn has_read(&self) {
        let SocketKind::Unix(stream) = &*self.0 else {
            return;
        };
        let deadline = Instant::now() + READ_DEADLINE;
        let mut pause = FIRST_PAUSE;
        while unread(stream) && !self.hung_up() && Instant::now() < deadline {
            sleep(pause).await;
            pause = LAST_PAUSE.min(pause * 2);
        }
    }

    fn hung_up(&self) -> bool {
        let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        let ended = PollFlags::POLLHUP | PollFlags::POLLERR;
        match poll(&mut polled, PollTimeout::ZERO) {
            Ok(_) => polled[0]
                .revents()
                .is_some_and(|seen| seen.intersects(ended)),
            Err(_) => false,
        }
    }
}

/// Returns whether the other end has unread bytes (unix(7), `SIOCOUTQ` of unix_outq_len).
fn unread(stream: &UnixStream) -> bool {
    let mut waiting = 0;
    // SAFETY: the descriptor is open as long as `stream` lives, and the request writes one c_int to
    // `waiting`, which outlives the call.
    #[expect(unsafe_code, reason = "nix has no safe form of this request")]
    let asked = unsafe { outq(stream.as_raw_fd(), &raw mut waiting) };
    asked.is_ok() && waiting > 0
}

nix::ioctl_read_bad!(outq, nix::libc::TIOCOUTQ, nix::libc::c_int);

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let into = buffer.initialize_unfilled();
            let read = match &*self.0 {
                SocketKind::Tcp(stream) => {
                    ready!(stream.poll_read_ready(context))?;
                    stream.try_read(into)
                }
                SocketKind::Unix(stream) => {
                    ready!(stream.poll_read_ready(context))?;
                    stream.try_read(into)
                }
            };
            match read {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let written = match &*self.0 {
                SocketKind::Tcp(stream) => {
                    ready!(stream.poll_write_ready(context))?;
                    stream.try_write_vectored(bytes)
                }
                SocketKind::Unix(stream) => {
                    ready!(stream.poll_write_ready(context))?;
                    stream.try_write_vectored(bytes)
                }
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = shutdown(self.0.as_fd().as_raw_fd(), Shutdown::Write);
        Poll::Ready(shut.map_err(io::Error::from))
    }
}

#[cfg(test)]
mod tests;
