//! The guest's init, played by a test at the other end of a socket pair.

use super::{Guest, GuestEvent};
use crate::log::Writer;
use protocol::{
    frame::{self, Decoder},
    message::{Message, SessionNonce},
    process::{FromInit, ToInit},
};
use std::path::Path;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
    task::JoinSet,
};

/// The nonce of the test's run.
pub const NONCE: SessionNonce = SessionNonce(7);

/// A fake of the guest's init.
pub struct FakeInit {
    pub stream: UnixStream,
    decoder: Decoder,
    waiting: Vec<ToInit>,
}

/// The shim's side of the line, and its directory.
pub struct Line {
    dir: TempDir,
    _driving: JoinSet<()>,
}

impl Line {
    /// Returns the directory of the log.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl FakeInit {
    /// Makes a line to a fake init; the shim's log is in the directory of the returned [`Line`].
    pub fn new() -> (Self, Guest, mpsc::Receiver<GuestEvent>, Line) {
        let dir = tempfile::tempdir().unwrap();
        let log = Writer::open(dir.path(), 1 << 20, 2).unwrap();
        let (ours, its) = UnixStream::pair().unwrap();
        let (guest, events, driving) = Guest::new(ours, NONCE, log);
        let mut line = JoinSet::new();
        line.spawn(driving);
        let line = Line {
            dir,
            _driving: line,
        };
        let own = Self {
            stream: its,
            decoder: Decoder::new(),
            waiting: Vec::new(),
        };
        (own, guest, events, line)
    }

    /// Sends a message; returns whether the line is still open.
    pub async fn says(&mut self, message: &FromInit) -> bool {
        self.stream.write_all(&framed(message)).await.is_ok()
    }

    /// Sends messages until the line takes no more; returns how many it took.
    pub async fn floods(&mut self, messages: impl IntoIterator<Item = FromInit>) -> usize {
        let mut said = 0;
        for message in messages {
            if !self.says(&message).await {
                break;
            }
            said += 1;
        }
        said
    }

    /// Returns the next message that the fake receives.
    pub async fn hears(&mut self) -> Option<ToInit> {
        let mut buffer = vec![0; 64 << 10];
        while self.waiting.is_empty() {
            let count = self.stream.read(&mut buffer).await.ok()?;
            if count == 0 {
                return None;
            }
            let mut input = &buffer[..count];
            while let Some(frame) = self.decoder.next(&mut input) {
                let message = ToInit::decode(&frame.unwrap().payload).unwrap();
                self.waiting.push(message);
            }
        }
        Some(self.waiting.remove(0))
    }
}

/// Returns a message as it is on the line.
pub fn framed(message: &FromInit) -> Vec<u8> {
    let mut line = Vec::new();
    frame::encode(NONCE, &message.encode().unwrap(), &mut line).unwrap();
    line
}
