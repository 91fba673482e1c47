//! A netlink connection to nf_tables: it commits batches, each as one transaction.

use std::fmt;

use nix::errno::Errno;

use crate::abi::netlink;
use crate::batch::Batch;
use crate::encode::{EncodeError, Encoded, encode};
use crate::socket::{Channel, SocketError, failed};
use crate::wire::{DecodeError, Refusal, messages};

/// Longest transaction, bytes: about 700,000 elements of a NAT map.
const BATCH_MAX: usize = 64 * 1024 * 1024;

/// Room for the refusals of a batch; what does not fit is lost behind the first ones, which are
/// those that are reported.
const ANSWERS: usize = 256 * 1024;

/// A netlink connection to nf_tables of the network namespace in which it was opened. It commits batches, and reads the
/// ruleset.
///
/// Its calls block while the kernel works. The process needs `CAP_NET_ADMIN` in the namespace.
pub struct Connection {
    pub(crate) channel: Channel,
    pub(crate) sequence: u32,
}

impl Connection {
    /// Opens a connection to the calling thread's network namespace.
    ///
    /// # Errors
    /// Returns [`SocketError`] if the kernel refuses the socket.
    pub fn open() -> Result<Self, SocketError> {
        let channel = Channel::open()?;
        channel.reserve_receive(ANSWERS)?;
        let socket = channel.socket();
        // Answers without the request behind them, with the kernel's own words where it has some;
        // and an overrun is no error: see ANSWERS.
        socket
            .set_cap_ack(true)
            .and_then(|()| socket.set_ext_ack(true))
            .and_then(|()| socket.set_no_enobufs(true))
            .map_err(failed("set its options"))?;
        Ok(Self {
            channel,
            sequence: 0,
        })
    }

    /// Creates a connection over an open socket. Only for tests, which play the kernel at the other end.
    ///
    /// # Errors
    /// Returns [`SocketError`] if no timeout can be set on the socket.
    #[cfg(feature = "test-util")]
    pub fn over(socket: std::os::fd::OwnedFd) -> Result<Self, SocketError> {
        Ok(Self {
            channel: Channel::over(socket)?,
            sequence: 0,
        })
    }

    /// Returns the netlink port ID of this connection: the number by which the kernel tells sockets apart. The kernel
    /// puts it into [`crate::Change::port`] of changes made by this connection.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.channel.port()
    }

    /// Commits the batch as one transaction: the kernel carries out all of its operations, or none. An empty batch is
    /// not sent, and is no error.
    ///
    /// # Errors
    /// Returns
    /// - [`CommitError::Invalid`] or [`CommitError::TooLong`] if the batch can't be sent; nothing is sent then,
    /// - [`CommitError::Refused`] or [`CommitError::RefusedWhole`] if the kernel refuses it; the ruleset is then
    ///   unchanged,
    /// - [`CommitError::Socket`], [`CommitError::Decode`] or [`CommitError::NoAnswer`] if it is unknown whether the
    ///   kernel has carried it out; the ruleset must then be read.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        if batch.is_empty() {
            return Ok(());
        }
        let encoded = encode(batch, self.sequence).map_err(|(index, problem)| {
            let operation = RefusedOperation::of(batch, index);
            CommitError::Invalid { operation, problem }
        })?;
        self.sequence = encoded.last_sequence().wrapping_add(2);
        let bytes = encoded.writer.bytes();
        if bytes.len() > BATCH_MAX || encoded.writer.is_too_long() {
            return Err(CommitError::TooLong { bytes: bytes.len() });
        }
        if encoded.origins.is_empty() {
            return Ok(());
        }
        self.channel.send(bytes)?;
        self.answer(batch, &encoded)
    }

    /// Reads the kernel's answer, which was sent before `send` returned. The kernel answers in the
    /// order of the batch; a refusal of the commit itself, under the number of the transaction's
    /// begin or end, comes before all others.
    fn answer(&mut self, batch: &Batch, encoded: &Encoded) -> Result<(), CommitError> {
        let mut refused = None;
        while let Some(datagram) = self.channel.receive_now()? {
            for message in messages(datagram) {
                let message = message?;
                let offset = message.sequence.wrapping_sub(encoded.first_sequence);
                let ours = offset <= encoded.last_sequence().wrapping_sub(encoded.first_sequence);
                if message.kind != netlink::ERROR || !ours {
                    continue;
                }
                match message.refusal()? {
                    Some(refusal) if refused.is_none() => {
                        let origin = encoded.origin(message.sequence);
                        let operation = origin.map(|index| RefusedOperation::of(batch, index));
                        refused = Some(CommitError::refused(operation, refusal));
                    }
                    Some(_) => {}
                    None if refused.is_none() && message.sequence == encoded.last_sequence() => {
                        return Ok(());
                    }
                    None => {}
                }
            }
        }
        Err(refused.unwrap_or(CommitError::NoAnswer))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection(port {})", self.port())
    }
}

/// The reason why a [`Batch`] was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// An operation can't be written as a message to the kernel, for example because a rule compares a field with a
    /// value of another type. Nothing was sent.
    #[error("{operation} is not possible")]
    Invalid {
        /// The operation.
        operation: RefusedOperation,
        /// The reason why the operation can't be written.
        #[source]
        problem: EncodeError,
    },
    /// The batch is longer than 64 MiB; nothing was sent.
    #[error("the batch has {bytes} bytes, 64 MiB are possible: commit it in parts")]
    TooLong {
        /// The batch's length in bytes.
        bytes: usize,
    },
    /// The kernel refused an operation, and therefore the whole batch.
    #[error("the kernel refused {operation}: {}", message_of(*errno, reason.as_deref()))]
    Refused {
        /// The first refused operation.
        operation: RefusedOperation,
        /// The kernel's error code.
        errno: Errno,
        /// The kernel's message, if it gave one.
        reason: Option<String>,
    },
    /// The kernel refused the batch without naming an operation: when it began or committed the transaction. The
    /// ruleset is unchanged.
    #[error("the kernel refused the batch: {}", message_of(*errno, reason.as_deref()))]
    RefusedWhole {
        /// The kernel's error code: `EPERM` without `CAP_NET_ADMIN`.
        errno: Errno,
        /// The kernel's message, if it gave one.
        reason: Option<String>,
    },
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The kernel's answer can't be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The kernel did not answer, so it is unknown whether it has carried out the batch.
    #[error("the kernel did not answer: read the ruleset back")]
    NoAnswer,
}

impl CommitError {
    fn refused(operation: Option<RefusedOperation>, refusal: Refusal) -> Self {
        let Refusal { errno, reason } = refusal;
        match operation {
            Some(operation) => Self::Refused {
                operation,
                errno,
                reason,
            },
            None => Self::RefusedWhole { errno, reason },
        }
    }

    /// Returns the kernel's error code if the kernel refused the batch; `None` for all other errors.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } | Self::RefusedWhole { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// The operation of a batch that caused an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedOperation {
    /// The operation's position in the batch, from 0.
    pub index: usize,
    /// The operation in nft's syntax, cut to 200 characters.
    pub operation: String,
}

impl RefusedOperation {
    const OPERATION_MAX: usize = 200;

    fn of(batch: &Batch, index: usize) -> Self {
        use fmt::Write as _;
        let mut text = Cut(String::new());
        if let Some(operation) = batch.operations().get(index) {
            // Ends early by an error when it is full.
            let _ = write!(text, "{operation}");
        }
        Self {
            index,
            operation: text.0,
        }
    }
}

impl fmt::Display for RefusedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {} ({})", self.index, self.operation)
    }
}

/// Takes so many characters and no more, so that 10,000 elements are not printed to be cut.
struct Cut(String);

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = RefusedOperation::OPERATION_MAX.saturating_sub(self.0.len());
        if text.len() <= free {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.extend(text.chars().take(free));
        self.0.push('…');
        Err(fmt::Error)
    }
}

/// Returns a message for an errno, with the kernel's own reason if there is one.
pub(crate) fn message_of(errno: Errno, reason: Option<&str>) -> String {
    let hint = match errno {
        Errno::ENOENT => "it names something that is not there, or the kernel lacks a module",
        Errno::EEXIST => "it is there already, with other properties or data",
        Errno::EBUSY => "it is still in use",
        Errno::EPERM => "this needs CAP_NET_ADMIN in the network namespace",
        Errno::EOPNOTSUPP | Errno::EPROTO => "it is not possible in this family, hook or kernel",
        Errno::EINVAL => "types, lengths or flags do not fit each other",
        Errno::ENFILE => "the set is full",
        Errno::EMLINK => "jumps go too deep",
        Errno::ELOOP => "jumps go in a circle",
        Errno::ERESTART => "the ruleset changed meanwhile: try again",
        other => other.desc(),
    };
    match reason {
        Some(reason) => format!("{errno:?}, {hint}; it says: {reason}"),
        None => format!("{errno:?}, {hint}"),
    }
}
