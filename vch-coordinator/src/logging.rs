//! The log, written by a thread of its own. Logging never waits for the log's reader: a journal that
//! stands still would hold the runtime's threads, and with them sessions, timers and the API.

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

/// Lines that wait to be written; more are dropped, and counted. A line has some 200 bytes.
const WAITING: usize = 4_096;
/// At the end, for what waits still.
const FLUSH: Duration = Duration::from_secs(1);

enum Item {
    Line(Vec<u8>),
    /// Answered when all before it is written.
    Flush(SyncSender<()>),
}

/// Where lines are given to; cheap to clone.
#[derive(Clone, Debug)]
pub struct LogWriter {
    lines: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

/// Writes what waits when it is dropped, as far as that is possible within a second.
#[derive(Debug)]
pub struct Flush(SyncSender<Item>);

impl LogWriter {
    /// Starts the thread, which writes to `log` until the last writer is dropped.
    ///
    /// # Errors
    /// There is no thread to be had.
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

/// One line.
#[derive(Debug)]
pub struct Line<'a>(&'a LogWriter);

impl Write for Line<'_> {
    /// Takes all of it: `tracing_subscriber` writes a line at once.
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
            // There is no other place to report a log that can't be written.
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
        // Full: it is read too slowly to wait for it.
        if self.0.try_send(Item::Flush(done)).is_ok() {
            match written.recv_timeout(FLUSH) {
                Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
