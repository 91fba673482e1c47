//! Keeps the last output of a VM's console and of QEMU, for a person who looks for the cause of a failure. It is
//! bounded in size and rate, and safe to show on a terminal.

use crate::{foreign, pace::Pace, stderr::log};
use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    task::JoinSet,
    time::{sleep, timeout},
};

/// The maximum number of bytes of a stream that are kept: its last ones.
pub const KEPT: usize = 64 << 10;
/// The bytes of `qemu.log` that are written as they arrive; of the rest, the last are added at the end.
const FIRST: usize = 64 << 10;
/// Bytes a second. A serial line carries a hundredth of it; QEMU says some lines in a VM's life.
const PACE: u32 = 4 << 20;
/// Read at a time.
const READ: usize = 4096;
/// Most lines of a stream that explain a failure.
const LINES: usize = 5;

/// A task that reads a stream to its end. Dropping this value stops the task.
pub struct Listening(JoinSet<Vec<u8>>);

impl Listening {
    /// Spawns the task. `kept` is the future of [`tail`] or [`record`], which returns the last bytes of the stream.
    pub fn begin(kept: impl Future<Output = Vec<u8>> + Send + 'static) -> Self {
        let mut task = JoinSet::new();
        task.spawn(kept);
        Self(task)
    }

    /// Waits for the end of the stream, which comes when the process that writes it ends, and returns the last bytes.
    /// If the stream does not end within `within`, since another process holds it open, returns no bytes.
    pub async fn heard(mut self, within: Duration) -> Vec<u8> {
        match timeout(within, self.0.join_next()).await {
            Ok(Some(Ok(heard))) => heard,
            _ => Vec::new(),
        }
    }
}

/// Reads a stream to its end, and returns its last [`KEPT`] bytes.
pub async fn tail(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut pieces = Pieces::new();
    while let Some(piece) = pieces.next(&mut stream).await {
        keep(&mut kept, piece);
    }
    last(kept)
}

/// Reads a stream to its end, and returns its last [`KEPT`] bytes. Writes the first 64 KiB to a file as they arrive,
/// and the last bytes at the end.
pub async fn record(mut stream: impl AsyncRead + Unpin, mut file: File) -> Vec<u8> {
    let (mut kept, mut written, mut all) = (Vec::new(), 0, 0);
    let mut pieces = Pieces::new();
    while let Some(piece) = pieces.next(&mut stream).await {
        if written < FIRST {
            let text = legible(piece);
            written += text.len();
            // A full disk: the last words are in memory all the same.
            let _ = file.write_all(text.as_bytes());
        }
        all += piece.len();
        keep(&mut kept, piece);
    }
    let kept = last(kept);
    if all > FIRST {
        let _ = file.write_all(b"\n[...]\n");
        let _ = file.write_all(legible(&kept).as_bytes());
    }
    kept
}

/// Writes the kept bytes of a stream to a file, without control characters. Errors are logged.
pub fn write(path: &Path, bytes: &[u8]) {
    if let Err(error) = std::fs::write(path, legible(bytes)) {
        log(format_args!("{} is not kept: {error}", path.display()));
    }
}

/// Returns what the output says about a failure: the line of the kernel's panic if it has one, else its last five lines
/// that are not empty. The text is cleaned; `None` if there is no such line.
pub fn explanation(said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    let panic = text.lines().find(|line| line.contains("Kernel panic"));
    if let Some(panic) = panic {
        return Some(foreign::clean(panic.trim()));
    }
    let lines = text.lines().rev();
    let mut last: Vec<&str> = lines
        .filter(|line| !line.trim().is_empty())
        .take(LINES)
        .collect();
    last.reverse();
    (!last.is_empty()).then(|| foreign::clean(&last.join(" / ")))
}

/// Lines without control characters.
fn legible(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| foreign::cut(line.trim_end_matches('\r'), usize::MAX))
        .collect();
    lines.join("\n")
}

fn keep(kept: &mut Vec<u8>, piece: &[u8]) {
    kept.extend_from_slice(piece);
    if kept.len() > 2 * KEPT {
        kept.drain(..kept.len() - KEPT);
    }
}

fn last(mut kept: Vec<u8>) -> Vec<u8> {
    kept.drain(..kept.len().saturating_sub(KEPT));
    kept
}

/// Reads no faster than [`PACE`].
struct Pieces {
    buffer: [u8; READ],
    pace: Pace,
}

impl Pieces {
    fn new() -> Self {
        Self {
            buffer: [0; READ],
            pace: Pace::new(PACE, Instant::now()),
        }
    }

    async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<&[u8]> {
        let wait = self.pace.spend(0, Instant::now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let count = stream.read(&mut self.buffer).await.ok()?;
        self.pace
            .spend(u32::try_from(count).unwrap_or(u32::MAX), Instant::now());
        (count > 0).then(|| &self.buffer[..count])
    }
}

#[cfg(test)]
mod tests;
