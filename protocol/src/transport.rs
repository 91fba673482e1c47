//! Channels: the byte streams between coordinator and agent that carry frames, and how each side opens one.
//!
//! | agent | coordinator | connecting side | what keeps other peers out |
//! |---|---|---|---|
//! | `vsock-listen:PORT` | `hybrid-vsock:PATH:PORT` | coordinator | the port is below 1024, the peer's CID is 2 |
//! | `vsock:CID:PORT` | `vsock:CID` | agent | both ports are below 1024, the CID identifies the container |
//! | `serial:DEVICE` | `chardev:PATH` | coordinator, to QEMU | the device's mode |
//! | `virtio:NAME` | `chardev:PATH` | coordinator, to QEMU | the device's mode |
//! | `unix:PATH` | `unix:PATH` | agent | the socket's mode 0600 |
//!
//! An [`agent::AgentOpener`] or [`coordinator::CoordinatorOpener`] makes a [`ChannelStream`], a [`FramedChannel`]
//! makes messages of it. A driver opens when its session machine says so; where
//! the opener listens ([`agent::AgentOpener::listens`]) it also goes on calling `open` while a channel is
//! open, so that another peer that connects is turned away at once.
//!
//! All of this needs a tokio runtime with I/O and time enabled.

mod address;
pub mod agent;
pub mod coordinator;
mod device;
mod framed;
mod socket;
mod vsock;

pub use address::{
    AddressError, ChannelAddress, CoordinatorChannel, PrivilegedPort, PrivilegedPortError,
};
pub use framed::{AgentEnd, ChannelError, CoordinatorEnd, FramedChannel, Received, Skipped};
pub use socket::bind_unix;

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use thiserror::Error;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest time that making a connection may take: five seconds.
pub const DIAL_DEADLINE: Duration = Duration::from_secs(5);

/// A byte stream in both directions, over any kind of connection. Every type that is [`AsyncRead`], [`AsyncWrite`],
/// [`Send`] and [`Unpin`] implements it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The byte stream of an open channel, of any kind: vsock, serial line, virtserialport or Unix socket.
pub type ChannelStream = Box<dyn Stream>;

/// The address of the other side of a vsock connection (vsock(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The context ID: 1 for this machine itself (loopback), 2 for the host, 3 and more for guests.
    pub cid: u32,
    /// The peer's source port. Only root on the peer's machine can have one below 1024.
    pub port: u32,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vsock CID {} port {}", self.cid, self.port)
    }
}

/// The reason why a channel can't be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The kernel refused a system call.
    #[error("can't {action} {object}")]
    Refused {
        /// The operation as an English verb, such as "connect to".
        action: &'static str,
        /// The path or address that the operation concerns.
        object: String,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The peer did not answer within [`DIAL_DEADLINE`].
    #[error("can't open {object}: no answer within {} s", DIAL_DEADLINE.as_secs())]
    TimedOut {
        /// The path or address of the channel.
        object: String,
    },
    /// The virtual machine monitor that connects to the guest's vsock port did not answer `OK`, mostly because no
    /// program listens on that port yet.
    #[error("{object} answered `{answer}`: nobody listens on that port in the guest yet")]
    NotConnected {
        /// The path of the virtual machine monitor's socket, and the guest's port.
        object: String,
        /// The virtual machine monitor's answer, at most 64 bytes, with unprintable characters escaped; empty if it
        /// closed the connection.
        answer: String,
    },
    /// The guest has no virtserialport of this name.
    #[error(
        "no virtio port is named `{0}`: give the VM a virtserialport with that name, or load virtio_console"
    )]
    NoSuchPort(String),
    /// The Unix socket can't be bound at this path, since a file that is not a socket is there.
    #[error("{0} exists and is no socket: remove it or choose another path")]
    NotASocket(String),
    /// All vsock source ports from 512 to 1023 are in use, so the connection can't show that it comes from root.
    #[error("no source port below 1024 is free: close what holds them")]
    NoPortLeft,
}

impl OpenError {
    fn refused(action: &'static str, object: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        let object = object.to_string();
        move |source| Self::Refused {
            action,
            object,
            source,
        }
    }
}

/// Registers `fd`, which must be non-blocking, with the runtime.
fn watch<T: AsRawFd + Into<OwnedFd>>(fd: T) -> io::Result<AsyncFd<T>> {
    #[expect(
        unsafe_code,
        reason = "what becomes an OwnedFd owns its descriptor until dropped"
    )]
    let watched = unsafe { AsyncFd::register(fd) };
    Ok(watched?)
}
