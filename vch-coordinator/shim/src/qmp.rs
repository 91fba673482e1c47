//! QEMU's machine protocol: a JSON object a line (QEMU's `docs/interop/qmp-spec`).

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
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
/// Most events that are kept until somebody asks.
const MAX_EVENTS: usize = 256;

/// Why QEMU did not do what it was asked.
#[derive(Debug, Error)]
pub enum QmpError {
    /// The connection.
    #[error("QEMU's control channel is closed")]
    Closed(#[from] io::Error),
    /// No answer in time.
    #[error("QEMU has not answered `{0}` within {DEADLINE:?}")]
    Late(String),
    /// It refuses.
    #[error("QEMU refuses `{command}`: {reason}")]
    Refused {
        /// What it was asked.
        command: String,
        /// In its words.
        reason: String,
    },
}

/// A connection to QEMU.
pub struct Qmp {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    events: VecDeque<Value>,
}

impl Qmp {
    /// Takes QEMU's greeting.
    pub async fn greet(stream: UnixStream) -> Result<Self, QmpError> {
        let (reader, writer) = stream.into_split();
        let mut qmp = Self {
            reader: BufReader::new(reader),
            writer,
            events: VecDeque::new(),
        };
        qmp.message("the greeting").await?;
        qmp.execute("qmp_capabilities", json!({})).await?;
        Ok(qmp)
    }

    /// Runs a command.
    pub async fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let line = format!("{}\n", json!({"execute": command, "arguments": arguments}));
        self.writer.write_all(line.as_bytes()).await?;
        self.answer(command).await
    }

    /// Gives QEMU an open descriptor that later commands call `name`.
    pub async fn give(&mut self, name: &str, descriptor: &OwnedFd) -> Result<(), QmpError> {
        let message = json!({"execute": "getfd", "arguments": {"fdname": name}});
        let line = format!("{message}\n");
        let socket = self.writer.as_ref();
        let sent = socket
            .async_io(Interest::WRITABLE, || {
                let rights = [descriptor.as_raw_fd()];
                let sent = sendmsg::<()>(
                    socket.as_raw_fd(),
                    &[IoSlice::new(line.as_bytes())],
                    &[ControlMessage::ScmRights(&rights)],
                    MsgFlags::MSG_NOSIGNAL,
                    None,
                );
                Ok(sent?)
            })
            .await?;
        self.writer.write_all(&line.as_bytes()[sent..]).await?;
        self.answer("getfd").await?;
        Ok(())
    }

    /// Waits for an event whose data fits.
    pub async fn event(
        &mut self,
        name: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<(), QmpError> {
        let waited = timeout(DEADLINE, async {
            loop {
                let fitting = |event: &Value| event["event"] == name && fits(&event["data"]);
                if let Some(place) = self.events.iter().position(fitting) {
                    self.events.remove(place);
                    return Ok(());
                }
                let message = self.message(name).await?;
                self.note(message);
            }
        });
        waited
            .await
            .unwrap_or_else(|_| Err(QmpError::Late(name.to_owned())))
    }

    async fn answer(&mut self, command: &str) -> Result<Value, QmpError> {
        loop {
            let mut message = self.message(command).await?;
            if message.get("event").is_some() {
                self.note(message);
            } else if let Some(value) = message.get_mut("return") {
                return Ok(value.take());
            } else {
                let reason = message["error"]["desc"].as_str();
                return Err(QmpError::Refused {
                    command: command.to_owned(),
                    reason: reason.unwrap_or("without a reason").to_owned(),
                });
            }
        }
    }

    fn note(&mut self, event: Value) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    async fn message(&mut self, what: &str) -> Result<Value, QmpError> {
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(MAX_LINE);
        let read = timeout(DEADLINE, limited.read_until(b'\n', &mut line)).await;
        match read {
            Err(_) => Err(QmpError::Late(what.to_owned())),
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(0)) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(Ok(_)) => Ok(serde_json::from_slice(&line).map_err(io::Error::from)?),
        }
    }
}
