//! The agent's log, written to standard error or the kernel's log, and sent to the coordinator.

#[cfg(test)]
mod tests;

use protocol::message::{LogLevel, LogLine, MAX_LOG_TEXT};
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The kernel takes ten lines in five seconds from one open `/dev/kmsg` (`printk_ratelimit`), and
/// drops the rest without saying so.
const KMSG_LINES: u32 = 10;
const KMSG_PERIOD: Duration = Duration::from_secs(5);
/// A record of more than 1,024 bytes less its prefix is EINVAL (`devkmsg_write`).
const KMSG_BYTES: usize = 900;
/// Lines that wait for the session: it takes them at every turn.
const WAITING: usize = 64;

/// Where the agent writes its log lines in the VM (`--log`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard error.
    Stderr,
    /// The kernel's log, `/dev/kmsg`. At most ten lines in five seconds are written, as the kernel takes no more; the
    /// next line after a gap tells how many were left out.
    Kmsg,
}

/// A [`tracing`] subscriber that writes each event as one line to its [`Destination`], and queues it for the
/// coordinator. While 64 lines are queued, further ones go to the destination only.
pub struct Log {
    verbose: bool,
    local: Mutex<Local>,
    coordinator: mpsc::Sender<LogLine>,
}

enum Local {
    Stderr,
    Kmsg(Kmsg<File>),
}

impl Log {
    /// Opens a log. Returns it, to be installed as the `tracing` subscriber, together with the receiver of the lines to
    /// send to the coordinator. Both get events up to [`Level::INFO`], with `verbose` up to [`Level::DEBUG`].
    ///
    /// # Errors
    /// Returns the system's error if `/dev/kmsg` can't be opened.
    pub fn open(
        destination: Destination,
        verbose: bool,
    ) -> io::Result<(Self, mpsc::Receiver<LogLine>)> {
        let local = match destination {
            Destination::Stderr => Local::Stderr,
            Destination::Kmsg => {
                let file = OpenOptions::new().write(true).open("/dev/kmsg")?;
                Local::Kmsg(Kmsg::new(file, Instant::now()))
            }
        };
        let (coordinator, lines) = mpsc::channel(WAITING);
        let local = Mutex::new(local);
        let log = Self {
            verbose,
            local,
            coordinator,
        };
        Ok((log, lines))
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let least = if self.verbose {
            Level::DEBUG
        } else {
            Level::INFO
        };
        *metadata.level() <= least
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let level = match *event.metadata().level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        let mut text = text.0;
        // Neither reader nor wire has more than one line for it.
        text.retain(|c| !c.is_control());
        // A line that can't be written has nowhere else to go.
        let _ = match &mut *self.local.lock().unwrap_or_else(PoisonError::into_inner) {
            Local::Stderr => writeln!(io::stderr(), "tether-net: {}: {text}", word(level)),
            Local::Kmsg(kmsg) => kmsg.write(Instant::now(), level, &text),
        };
        text.truncate(text.floor_char_boundary(MAX_LOG_TEXT));
        // What the coordinator does not get is still in the log here.
        let _ = self.coordinator.try_send(LogLine { level, text });
    }

    // The agent has no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warning",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}

/// An event's message, and its fields behind it.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// Lines within the kernel's limits.
struct Kmsg<W> {
    out: W,
    period: Instant,
    lines: u32,
    left_out: u32,
}

impl<W: io::Write> Kmsg<W> {
    fn new(out: W, now: Instant) -> Self {
        Self {
            out,
            period: now,
            lines: 0,
            left_out: 0,
        }
    }

    fn write(&mut self, now: Instant, level: LogLevel, text: &str) -> io::Result<()> {
        if now.duration_since(self.period) >= KMSG_PERIOD {
            (self.period, self.lines) = (now, 0);
        }
        let room = if self.left_out > 0 { 2 } else { 1 };
        if self.lines + room > KMSG_LINES {
            self.left_out += 1;
            return Ok(());
        }
        if self.left_out > 0 {
            let left_out = std::mem::take(&mut self.left_out);
            self.line(
                LogLevel::Warn,
                &format!("{left_out} lines were left out here"),
            )?;
        }
        self.line(level, text)
    }

    /// Writes a line to the kernel's log. One record is one write(2); its prefix is a priority of
    /// syslog(3), facility daemon.
    fn line(&mut self, level: LogLevel, text: &str) -> io::Result<()> {
        self.lines += 1;
        let priority = match level {
            LogLevel::Error => 27,
            LogLevel::Warn => 28,
            LogLevel::Info => 30,
            LogLevel::Debug => 31,
        };
        let text = &text[..text.floor_char_boundary(KMSG_BYTES)];
        self.out
            .write_all(format!("<{priority}>tether-net: {text}\n").as_bytes())
    }
}
