//! The protocol between the coordinator and a shim: one request on each connection to `shim.sock`, and its replies.
//!
//! ```text
//!   coordinator: version, 1 byte │ "VCH"      shim: the same, with the version that it speaks
//!   then, both:  length, 4 bytes LE │ postcard of a Request or a Reply
//! ```
//!
//! A VM outlives its coordinator, so a coordinator and a shim of different releases must understand each other. The
//! messages of a released version are frozen: the bytes of every message are in `golden/`, and a change of any of these
//! types, or of their content, needs a new version. The types of the present version then become a module of their own,
//! as those of version 1 are in [`v1`].
//!
//! - Version 1 (release 0.1.0) has no greeting. A shim that speaks it reads our greeting as a length beyond its limit,
//!   and closes the connection: the coordinator connects again and speaks version 1. A request whose first bytes are
//!   not a greeting comes from a coordinator that speaks version 1.
//! - A shim that is greeted with a version that it does not speak answers with its newest version, and closes the
//!   connection. A later coordinator that also speaks that version connects again with it.

mod conversation;
pub mod v1;

pub use conversation::{Greeted, Incoming, Outgoing, answer, greet};

use crate::{launch::Nic, log::Position, stage::Stage};
use protocol::process::{
    CgroupLimits, Exit, Listed, Output, Process, ProcessId, TerminalSize, Usage,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Most bytes of a message.
const MAX_MESSAGE: usize = 2 << 20;
/// The newest version of the protocol, to which [`Request`] and [`Reply`] belong.
pub const VERSION: u8 = 2;

/// A version of the protocol that this release speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The version of release 0.1.0.
    V1,
    /// The version of this release.
    V2,
}

/// A request, or a part of it, that a shim of release 0.1.0 does not know. Has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the container's VM was started by release 0.1.0, which knows no such thing as {0}: stop and start the container"
)]
pub struct NotInVersion1(pub &'static str);

/// A request of the coordinator to a shim, the first message on a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Asks for a [`Reply::Stage`] now and at each change, up to the end of the run.
    Watch,
    /// Asks for the output of the container's main process as it arrives: [`Reply::Done`] at once, then
    /// [`Reply::Output`]s, and [`Reply::Done`] again at the process's end. Meanwhile [`Request::Input`] may follow.
    Attach {
        /// The position of the log to begin at; `None` for new output.
        from: Option<Position>,
        /// Whether input follows.
        input: bool,
        /// Whether the process's standard input is closed when this client ends its input, or disconnects.
        ends_input: bool,
    },
    /// Runs a further process in the container. The replies are [`Reply::Started`] or [`Reply::Refused`], then
    /// [`Reply::Output`]s, then [`Reply::Exited`]. Meanwhile [`Request::Input`] may follow. The process runs on when
    /// the client disconnects.
    Exec(Box<Process>),
    /// Bytes for the standard input of the process that the connection was opened for. No bytes mean the end of input.
    Input(Vec<u8>),
    /// Sends the signal with this number to a process. The reply is [`Reply::Done`].
    Signal(ProcessId, u8),
    /// Sets the size of a process's terminal. The reply is [`Reply::Done`].
    Resize(ProcessId, TerminalSize),
    /// Asks for the container's processes. The reply is [`Reply::Listed`].
    List,
    /// Asks for the container's use of resources. The reply is [`Reply::Used`].
    Usage,
    /// Plugs a NIC into the VM. The reply is [`Reply::Done`], also if the VM has the NIC already.
    Plug(Nic),
    /// Unplugs the NIC with this ID. The reply is [`Reply::Done`], also if the VM does not have the NIC.
    Unplug(String),
    /// Connects a NIC to its tap again, after the tap was created anew. The reply is [`Reply::Done`].
    Reattach(Nic),
    /// Ends the VM at once, whatever its processes do. The reply is [`Reply::Done`].
    Kill,
    /// Replaces all limits of the container's cgroup in the guest. The reply is [`Reply::Updated`].
    Update(Box<CgroupLimits>),
}

/// A reply of a shim to the request on the same connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The stage that the VM's run has reached.
    Stage(Stage),
    /// Bytes that the process wrote to this stream.
    Output(Output, Vec<u8>),
    /// The further process runs. Has its number within this run, and its process ID in the container.
    Started(ProcessId, u32),
    /// The further process has ended.
    Exited(Exit),
    /// The container's processes.
    Listed(Vec<Listed>),
    /// The container's use of resources.
    Used(Usage),
    /// The request was carried out.
    Done,
    /// The request was refused.
    Refused {
        /// The stable code of the refusal, for programs.
        code: String,
        /// The reason in words, for a person.
        reason: String,
    },
    /// A message for each limit of the container's cgroup that the guest's kernel refused; empty if all are in force.
    Updated(Vec<String>),
}

/// Writes a message with its length before it.
///
/// # Errors
/// Returns an error if the message can't be encoded or has more than 2 MiB, or if the stream breaks.
pub async fn send<M: Serialize>(to: &mut (impl AsyncWrite + Unpin), message: &M) -> io::Result<()> {
    let bytes = postcard::to_allocvec(message).map_err(io::Error::other)?;
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a message is too long");
    if bytes.len() > MAX_MESSAGE {
        return Err(too_long());
    }
    let length = u32::try_from(bytes.len()).map_err(|_| too_long())?;
    let mut whole = length.to_le_bytes().to_vec();
    whole.extend_from_slice(&bytes);
    to.write_all(&whole).await
}

/// Reads a message with its length before it; returns `None` at the end of the stream. Not cancel-safe.
///
/// # Errors
/// Returns an error if the message has more than 2 MiB or can't be decoded, or if the stream breaks.
pub async fn receive<M: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<M>> {
    match four(from).await? {
        Some(length) => receive_of(length, from).await.map(Some),
        None => Ok(None),
    }
}

/// Reads a message's length, or a greeting; returns `None` at the end of the stream.
async fn four(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<[u8; 4]>> {
    let mut bytes = [0; 4];
    match from.read_exact(&mut bytes).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
        Ok(_) => Ok(Some(bytes)),
    }
}

/// Reads the rest of a message.
async fn receive_of<M: DeserializeOwned>(
    length: [u8; 4],
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<M> {
    let invalid = |reason| io::Error::new(io::ErrorKind::InvalidData, reason);
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE {
        return Err(invalid("a message is too long"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    let read = postcard::take_from_bytes(&bytes);
    match read {
        Ok((message, [])) => Ok(message),
        _ => Err(invalid("what came is no message of this version")),
    }
}

#[cfg(test)]
mod tests;
