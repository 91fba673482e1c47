//! Writes the log in a separate thread.
//!
//! Logging never waits for the log's reader: a blocked journal would otherwise block the asynchronous runtime's
//! threads, and with them sessions, timers and the API.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};
use tracing_subscriber::fmt::MakeWriter;

/// The maximum number of queued lines. Further lines are dropped and counted. A line has about 200
/// bytes.
const WAITING: usize = 4_096;
/// How long to wait at the end until the queued lines are written.
const FLUSH: Duration = Duration::from_secs(1);

enum Item {
    Line(Vec<u8>),
    /// A request to flush, which is answered when all previous lines are written.
    Flush(SyncSender<()>),
}

/// The queue of at most 4,096 log lines for the thread that writes them; a writer for `tracing_subscriber`. A line that
/// finds the queue full is dropped; the thread then writes how many were dropped. Clones share the queue.
#[derive(Clone, Debug)]
pub struct LogWriter {
    lines: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

/// A guard that waits, when it is dropped, until the lines that were queued before are written: at most one second. It
/// does not wait if the queue is full.
#[derive(Debug)]
pub struct Flush(SyncSender<Item>);

impl LogWriter {
    /// Spawns the thread that writes the queued lines to `log`. It ends, without being joined, once every clone of the
    /// [`LogWriter`] and the [`Flush`] are dropped. The caller keeps the [`Flush`] until the program's end.
    ///
    /// # Errors
    /// Returns an error if the thread cannot be created.
    pub fn spawn(log: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let (lines, waiting) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(log, &waiting, &counted))?;
        let flush = Flush(lines.clone());
        Ok((Self { lines, dropped }, flush))
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// A writer of one log line; `tracing_subscriber` makes one for each line.
#[derive(Debug)]
pub struct Line<'a>(&'a LogWriter);

impl Write for Line<'_> {
    /// Queues the buffer as one line; `tracing_subscriber` writes a complete line in one call. Never fails: a line that
    /// finds the queue full is dropped and counted.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.0.lines.try_send(Item::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut log: impl Write, waiting: &Receiver<Item>, dropped: &AtomicU64) {
    for item in waiting {
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            // An error of the log itself cannot be reported anywhere.
            let _ = writeln!(log, "{lost} lines are left out: the log is read too slowly");
        }
        match item {
            Item::Line(line) => {
                let _ = log.write_all(&line);
            }
            Item::Flush(done) => {
                let _ = log.flush();
                let _ = done.send(());
            }
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        // The queue is full: the log is read too slowly to wait for it.
        if self.0.try_send(Item::Flush(done)).is_ok() {
            match written.recv_timeout(FLUSH) {
                Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
