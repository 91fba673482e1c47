//! Channels: the byte streams that carry frames, and how each side opens one.
//!
//! | agent | coordinator | who dials | what keeps others out |
//! |---|---|---|---|
//! | `vsock-listen:PORT` | `hybrid-vsock:PATH:PORT` | coordinator | the port is below 1024, the peer's CID is 2 |
//! | `vsock:CID:PORT` | `vsock:CID` | agent | both ports are below 1024, the CID names the container |
//! | `serial:DEVICE` | `chardev:PATH` | coordinator, to QEMU | the device's mode |
//! | `virtio:NAME` | `chardev:PATH` | coordinator, to QEMU | the device's mode |
//! | `unix:PATH` | `unix:PATH` | agent | the socket's mode 0600 |
//!
//! An [`agent::Opener`] or [`coordinator::Opener`] makes a [`ChannelStream`], a [`FramedChannel`]
//! makes messages of it. A driver opens when its session machine says so; where
//! the opener listens ([`agent::Opener::listens`]) it also goes on calling `open` while a channel is
//! open, so that another peer that connects is turned away at once.
//!
//! All of it needs a tokio runtime with I/O and time.

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

/// The time within which a connection must be made.
pub const DIAL_DEADLINE: Duration = Duration::from_secs(5);

/// A byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open channel, whatever carries it.
pub type ChannelStream = Box<dyn Stream>;

/// The other end of a vsock connection (vsock(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The context ID: 1 is the guest itself, 2 the host, others are guests.
    pub cid: u32,
    /// The port; one below 1024 shows that the peer is root on its machine.
    pub port: u32,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vsock CID {} port {}", self.cid, self.port)
    }
}

/// The reason for which a channel can't be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The kernel refused an operation.
    #[error("can't {action} {object}")]
    Refused {
        /// The operation.
        action: &'static str,
        /// The object of the operation.
        object: String,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The peer did not answer in time.
    #[error("can't open {object}: no answer within {} s", DIAL_DEADLINE.as_secs())]
    TimedOut {
        /// The channel.
        object: String,
    },
    /// The program that dials into the guest gave another answer than `OK`.
    #[error("{object} answered `{answer}`: nobody listens on that port in the guest yet")]
    NotConnected {
        /// The channel.
        object: String,
        /// The line that it gave, cut to its printable characters.
        answer: String,
    },
    /// No port of the guest has this name.
    #[error(
        "no virtio port is named `{0}`: give the VM a virtserialport with that name, or load virtio_console"
    )]
    NoSuchPort(String),
    /// Another file is at the socket's path.
    #[error("{0} exists and is no socket: remove it or choose another path")]
    NotASocket(String),
    /// All source ports below 1024 are taken.
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
