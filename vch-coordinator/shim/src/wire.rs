//! The protocol between the coordinator and a shim: one request a connection of `shim.sock`, and its replies.
//!
//! ```text
//!   coordinator: version, 1 byte │ "VCH"      shim: the same, with the version that it speaks
//!   then, both:  length, 4 bytes LE │ postcard of a Request or a Reply
//! ```
//!
//! A VM outlives its coordinator, so that releases meet here in both ways. What a released version says is frozen:
//! bytes of every message stand in `golden/`, and a change of any of these types, or of what is in them, needs a new
//! version. For that the types of today become a module of their own, as those of version 1 are in [`v1`].
//!
//! - Version 1 (release 0.1.0) has no greeting. A shim that speaks it takes ours for a length beyond its bound, and
//!   closes: the coordinator connects again and speaks version 1. A request whose first bytes are no greeting is of
//!   a coordinator that speaks version 1.
//! - A shim that is greeted with a version that it does not speak answers with its newest one, and closes. A later
//!   coordinator that speaks that one as well connects again with it.

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
/// The newest version, that of [`Request`] and [`Reply`].
pub const VERSION: u8 = 2;

/// A version of the protocol that both sides speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The version of release 0.1.0.
    V1,
    /// The version of this release.
    V2,
}

/// A part of a request that a shim of release 0.1.0 does not know, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the container's VM was started by release 0.1.0, which knows no such thing as {0}: stop and start the container"
)]
pub struct NotInVersion1(pub &'static str);

/// A request to a shim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Asks for a [`Reply::Stage`] now and at each change, up to the end.
    Watch,
    /// Asks for a [`Reply::Output`] of the container's process from a position of the log on, as it arrives, up to
    /// its end, then [`Reply::Done`]. Meanwhile [`Request::Input`] may follow.
    Attach {
        /// The position to begin at; `None` for output from now on.
        from: Option<Position>,
        /// Whether input follows.
        input: bool,
        /// Whether the process's standard input ends when this client's does, or when the client
        /// disconnects.
        ends_input: bool,
    },
    /// Runs a process: [`Reply::Started`] or [`Reply::Refused`], [`Reply::Output`], [`Reply::Exited`]. Meanwhile
    /// [`Request::Input`] may follow. The process runs on when the client disconnects.
    Exec(Box<Process>),
    /// Bytes for standard input; none for its end.
    Input(Vec<u8>),
    /// Sends a signal to a process; [`Reply::Done`].
    Signal(ProcessId, u8),
    /// Sets the size of a process's terminal; [`Reply::Done`].
    Resize(ProcessId, TerminalSize),
    /// Asks for the container's processes; [`Reply::Listed`].
    List,
    /// Asks for the container's use of resources; [`Reply::Used`].
    Usage,
    /// Plugs a NIC into the VM; [`Reply::Done`], also if the VM has it.
    Plug(Nic),
    /// Unplugs the NIC with this ID; [`Reply::Done`], also if the VM does not have it.
    Unplug(String),
    /// Reattaches a NIC whose tap was made anew; [`Reply::Done`].
    Reattach(Nic),
    /// Ends the VM at once, whatever its processes do; [`Reply::Done`].
    Kill,
    /// Replaces all bounds of the container's cgroup in the guest; [`Reply::Updated`].
    Update(Box<CgroupLimits>),
}

/// A reply of a shim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The stage of the VM's run.
    Stage(Stage),
    /// Output of a process.
    Output(Output, Vec<u8>),
    /// A process runs: its number in this run, and its process ID in the container.
    Started(ProcessId, u32),
    /// A process has ended.
    Exited(Exit),
    /// The container's processes.
    Listed(Vec<Listed>),
    /// The container's use of resources.
    Used(Usage),
    /// The request was carried out.
    Done,
    /// The request was refused.
    Refused {
        /// The stable code of the refusal.
        code: String,
        /// The reason, for a person.
        reason: String,
    },
    /// The bounds of the container's cgroup that could not be put in force, each with its reason; empty if all are.
    Updated(Vec<String>),
}

/// Writes a message with its length.
///
/// # Errors
/// Returns an error if the message can't be encoded or is too long, or the stream breaks.
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

/// Reads a message; returns `None` at the end of the stream. Not cancel-safe.
///
/// # Errors
/// Returns an error if the message is too long or can't be decoded, or the stream breaks.
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
