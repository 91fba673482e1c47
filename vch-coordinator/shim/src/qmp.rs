//! A client of QMP, QEMU's control protocol: one JSON object on each line (QEMU's
//! `docs/interop/qmp-spec`).
//!
//! A guest that took over QEMU could send anything here: the length of lines, the number of kept
//! events and the time for an answer are bounded, and texts are cleaned.

use crate::foreign::{clean, cut};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{self, IoSlice},
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};
use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

/// QEMU answers at once unless the machine is overloaded; a guest takes its time to let a device go.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most bytes of a line.
const MAX_LINE: u64 = 1 << 20;
/// The one event that is awaited: a device is gone.
const DELETED: &str = "DEVICE_DELETED";
/// Most devices that are known to be gone until they are asked for: more than a machine has root ports.
const MAX_DELETED: usize = 64;
/// Most bytes of a device's id that is kept; ours have 13.
const MAX_ID: usize = 64;

/// The reason for which QEMU did not carry out a command.
#[derive(Debug, Error)]
pub enum QmpError {
    /// The connection to QEMU failed or was closed.
    #[error("QEMU's control channel is closed")]
    Closed(#[from] io::Error),
    /// QEMU did not answer this command within 10 s.
    #[error("QEMU has not answered `{0}` within {DEADLINE:?}")]
    Timeout(String),
    /// QEMU refused the command.
    #[error("QEMU refuses `{command}`: {reason}")]
    Refused {
        /// The command.
        command: String,
        /// The reason, as QEMU states it.
        reason: String,
    },
}

/// A connection to a running QEMU.
pub struct Qmp {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    deleted: BTreeSet<String>,
}

impl Qmp {
    /// Begins the protocol on a connected socket: reads QEMU's greeting and answers it.
    ///
    /// # Errors
    /// Returns [`QmpError::Closed`] if the connection fails, [`QmpError::Timeout`] if the greeting
    /// does not come in time, [`QmpError::Refused`] if QEMU refuses the protocol.
    pub async fn greet(stream: UnixStream) -> Result<Self, QmpError> {
        let (reader, writer) = stream.into_split();
        let mut qmp = Self {
            reader: BufReader::new(reader),
            writer,
            deleted: BTreeSet::new(),
        };
        in_time("the greeting", qmp.message()).await?;
        qmp.execute("qmp_capabilities", json!({})).await?;
        Ok(qmp)
    }

    /// Runs a QMP command with its arguments, and returns its result.
    ///
    /// # Errors
    /// Returns [`QmpError::Refused`] if QEMU refuses, [`QmpError::Timeout`] if it does not answer
    /// in time, [`QmpError::Closed`] if the connection fails.
    pub async fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let line = format!("{}\n", json!({"execute": command, "arguments": arguments}));
        in_time(command, async {
            self.writer.write_all(line.as_bytes()).await?;
            self.answer(command).await
        })
        .await
    }

    /// Passes an open descriptor to QEMU (`getfd`). Later commands refer to it as `name`.
    ///
    /// # Errors
    /// Returns the errors of [`Qmp::execute`].
    pub async fn give(&mut self, name: &str, descriptor: &OwnedFd) -> Result<(), QmpError> {
        let message = json!({"execute": "getfd", "arguments": {"fdname": name}});
        let line = format!("{message}\n");
        in_time("getfd", async {
            let sent = self.send_with(&line, descriptor).await?;
            self.writer.write_all(&line.as_bytes()[sent..]).await?;
            self.answer("getfd").await
        })
        .await?;
        Ok(())
    }

    async fn send_with(&self, line: &str, descriptor: &OwnedFd) -> io::Result<usize> {
        let socket = self.writer.as_ref();
        let sending = socket.async_io(Interest::WRITABLE, || {
            let rights = [descriptor.as_raw_fd()];
            let sent = sendmsg::<()>(
                socket.as_raw_fd(),
                &[IoSlice::new(line.as_bytes())],
                &[ControlMessage::ScmRights(&rights)],
                MsgFlags::MSG_NOSIGNAL,
                None,
            );
            Ok(sent?)
        });
        sending.await
    }

    /// Forgets that a device with this ID was removed, before a new device gets the ID.
    pub fn forget_deleted(&mut self, device: &str) {
        self.deleted.remove(device);
    }

    /// Waits until QEMU reports that the device with this ID was removed.
    ///
    /// # Errors
    /// Returns [`QmpError::Timeout`] if the event does not come in time, [`QmpError::Closed`] if
    /// the connection fails.
    pub async fn deleted(&mut self, device: &str) -> Result<(), QmpError> {
        in_time(DELETED, async {
            while !self.deleted.remove(device) {
                let message = self.message().await?;
                self.note(&message);
            }
            Ok(())
        })
        .await
    }

    async fn answer(&mut self, command: &str) -> Result<Value, QmpError> {
        loop {
            let mut message = self.message().await?;
            if message.get("event").is_some() {
                self.note(&message);
            } else if let Some(value) = message.get_mut("return") {
                return Ok(value.take());
            } else {
                let reason = message["error"]["desc"].as_str();
                return Err(QmpError::Refused {
                    command: command.to_owned(),
                    reason: clean(reason.unwrap_or("without a reason")),
                });
            }
        }
    }

    fn note(&mut self, event: &Value) {
        if event["event"] == DELETED
            && let Some(device) = event["data"]["device"].as_str()
            && self.deleted.len() < MAX_DELETED
        {
            self.deleted.insert(cut(device, MAX_ID));
        }
    }

    async fn message(&mut self) -> Result<Value, QmpError> {
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(MAX_LINE);
        match limited.read_until(b'\n', &mut line).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(serde_json::from_slice(&line).map_err(io::Error::from)?),
        }
    }
}

/// Waits for `done` within the time that QEMU has, however many other lines it sends meanwhile.
async fn in_time<T>(
    what: &str,
    done: impl Future<Output = Result<T, QmpError>>,
) -> Result<T, QmpError> {
    let late = |_| Err(QmpError::Timeout(what.to_owned()));
    timeout(DEADLINE, done).await.unwrap_or_else(late)
}

#[cfg(test)]
pub mod fake;
#[cfg(test)]
mod tests;
