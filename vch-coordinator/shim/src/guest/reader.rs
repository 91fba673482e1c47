//! Reads the messages of the guest's init. Root in the guest may send messages in init's place, so none of them is
//! trusted.
//!
//! The size of messages is bounded (of a frame, then of each text), and so are their number (each step of a start
//! causes one event only), the output in flight (windows, counted here) and their rate. A message that no init of this
//! project sends ends the VM; a message that may be a late answer is ignored.

use super::{
    GuestEvent,
    credit::Credit,
    locked,
    log_writer::LogEntry,
    pending::{Answer, PendingRequests},
    queue::ExecEvent,
};
use crate::{
    foreign::{clean, cut},
    pace::Pace,
    stage::now_us,
};
use parking_lot::Mutex;
use protocol::{
    frame::Decoder,
    message::{Message, SessionNonce},
    process::{Fault, FromInit, Listed, Output, Phase, ProcessId, Usage},
};
use std::{sync::Arc, time::Instant};
use thiserror::Error;
use tokio::{
    io::AsyncReadExt,
    net::unix::OwnedReadHalf,
    sync::{mpsc, watch},
    task::yield_now,
    time::sleep,
};

/// Read at a time, bytes.
const READ: usize = 64 << 10;
/// The budget of messages in units a second: a message costs one, and each [`UNIT`] bytes, valid or not, cost one.
/// Output at full windows passes at 128 MiB/s; a flood of small messages takes a tenth of a processor, and waits in
/// the guest.
pub(super) const PACE: u32 = 16 << 10;
/// Bytes that count as one message.
const UNIT: usize = 16 << 10;
/// Most interfaces whose counters are passed on; a container has as many as networks.
const MAX_INTERFACES: usize = 256;
/// Most bounds of a cgroup that are told not to be in force: there are fewer.
const MAX_REFUSED: usize = 64;
/// Most bytes of an interface's name (linux/if.h, IFNAMSIZ, without the zero).
const MAX_INTERFACE_NAME: usize = 15;
/// Bytes of a process's state: ps(1) writes at most six letters.
const MAX_STATE: usize = 8;

/// A violation of the protocol that no init of this project commits, so that the guest must be hostile or broken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Breach {
    /// The guest sent more output of a process than its window allows.
    #[error("the VM's init sends more of a process's output than its window lets through")]
    Window,
}

/// Reads the messages that the guest's init sends, and passes them on.
pub struct GuestReader {
    nonce: SessionNonce,
    log_entries: mpsc::Sender<LogEntry>,
    ended: watch::Sender<bool>,
    events: mpsc::Sender<GuestEvent>,
    pending: Arc<Mutex<PendingRequests>>,
    credit: Arc<Credit>,
    heard: Heard,
}

/// How far the container's own process has come, as far as it was told.
#[derive(Default)]
struct Heard {
    ready: bool,
    phases: Vec<Phase>,
    started: bool,
    ended: bool,
}

impl GuestReader {
    /// Returns a reader of messages that are marked with `nonce`. It queues output in `said`, sets `ended` at the end,
    /// and sends other events to `events` or to the callers in `pending`. `credit` is the window of the main process's
    /// output.
    pub fn new(
        nonce: SessionNonce,
        (log_entries, ended): (mpsc::Sender<LogEntry>, watch::Sender<bool>),
        events: mpsc::Sender<GuestEvent>,
        (pending, credit): (Arc<Mutex<PendingRequests>>, Arc<Credit>),
    ) -> Self {
        Self {
            nonce,
            log_entries,
            ended,
            events,
            pending,
            credit,
            heard: Heard::default(),
        }
    }

    /// Reads messages until the connection is closed, or the guest violates the protocol.
    pub async fn listen(mut self, line: OwnedReadHalf) {
        if let Err(breach) = self.hear_all(line).await {
            self.tell(GuestEvent::Broke(breach)).await;
        }
        locked(&self.pending).close();
        // Behind all that the container has said.
        self.keep(LogEntry::Closed).await;
    }

    async fn hear_all(&mut self, mut line: OwnedReadHalf) -> Result<(), Breach> {
        let mut decoder = Decoder::new();
        let mut buffer = vec![0; READ];
        let mut pace = Pace::new(PACE, Instant::now());
        while let Ok(count @ 1..) = line.read(&mut buffer).await {
            let mut cost = 1 + count / UNIT;
            let mut input = &buffer[..count];
            while let Some(frame) = decoder.next(&mut input) {
                cost += 1;
                // What is no frame, or of an earlier life, is nothing to this one.
                let frame = frame.ok().filter(|frame| frame.nonce == self.nonce);
                let message = frame.and_then(|frame| FromInit::decode(&frame.payload).ok());
                if let Some(message) = message {
                    self.hear(message).await?;
                }
            }
            let cost = u32::try_from(cost).unwrap_or(u32::MAX);
            let wait = pace.spend(cost, Instant::now());
            if wait.is_zero() {
                // A line that is never empty holds no client up: each has its turn after each piece.
                yield_now().await;
            } else {
                sleep(wait).await;
            }
        }
        Ok(())
    }

    async fn hear(&mut self, message: FromInit) -> Result<(), Breach> {
        match message {
            FromInit::Ready { version } => {
                if !std::mem::replace(&mut self.heard.ready, true) {
                    self.tell(GuestEvent::Ready(version)).await;
                }
            }
            FromInit::Phase { phase, uptime_us } => self.phase(phase, uptime_us).await,
            FromInit::Started { id, .. } if id == ProcessId::MAIN => {
                if !self.heard.ended && !std::mem::replace(&mut self.heard.started, true) {
                    self.tell(GuestEvent::Started).await;
                }
            }
            FromInit::NotStarted { id, fault, reason } => {
                self.not_started(id, fault, &reason).await;
            }
            FromInit::Output { bytes, .. } if bytes.is_empty() => {}
            FromInit::Output { id, stream, bytes } if id == ProcessId::MAIN => {
                return self.main_output(stream, bytes).await;
            }
            FromInit::Output { id, stream, bytes } => {
                if !locked(&self.pending).wrote(id, stream, bytes) {
                    return Err(Breach::Window);
                }
            }
            FromInit::Exited { id, exit } if id == ProcessId::MAIN => {
                if !std::mem::replace(&mut self.heard.ended, true) {
                    self.keep(LogEntry::Exited(exit)).await;
                }
            }
            FromInit::Started { id, pid } => locked(&self.pending).started(id, pid),
            FromInit::Exited { id, exit } => locked(&self.pending).end(id, ExecEvent::Exited(exit)),
            FromInit::Taken { id, bytes } => locked(&self.pending).took(id, bytes),
            FromInit::Listed { request, processes } => {
                let processes = processes.into_iter().map(listed).collect();
                let answer = Answer::Listed { request, processes };
                locked(&self.pending).answered(request, answer);
            }
            FromInit::Used { request, usage } => {
                let usage = used(usage);
                locked(&self.pending).answered(request, Answer::Used { request, usage });
            }
            FromInit::Updated { request, refused } => {
                let refused = refused.iter().take(MAX_REFUSED);
                let refused = refused.map(|words| clean(words)).collect();
                let answer = Answer::Updated { request, refused };
                locked(&self.pending).answered(request, answer);
            }
        }
        Ok(())
    }

    /// Reports a phase, once, and only until the process runs.
    async fn phase(&mut self, phase: Phase, uptime_us: u64) {
        let heard = &mut self.heard;
        if heard.started || heard.ended || heard.phases.contains(&phase) {
            return;
        }
        heard.phases.push(phase);
        self.tell(GuestEvent::Phase(phase, uptime_us)).await;
    }

    async fn not_started(&mut self, id: ProcessId, fault: Fault, reason: &str) {
        let reason = clean(reason);
        if id != ProcessId::MAIN {
            return locked(&self.pending).end(id, ExecEvent::NotStarted(fault, reason));
        }
        if !self.heard.started && !std::mem::replace(&mut self.heard.ended, true) {
            self.tell(GuestEvent::NotStarted(fault, reason)).await;
        }
    }

    /// Passes output of the container's own process to the log. The guest has its window for output
    /// that is not written yet, so a full disk blocks nothing else.
    async fn main_output(&mut self, stream: Output, bytes: Vec<u8>) -> Result<(), Breach> {
        if self.heard.ended {
            return Ok(());
        }
        if !self.credit.spend(stream, bytes.len()) {
            return Err(Breach::Window);
        }
        let at_ns = now_us().saturating_mul(1000);
        self.keep(LogEntry::Output(stream, at_ns, bytes)).await;
        Ok(())
    }

    async fn keep(&self, said: LogEntry) {
        if !matches!(said, LogEntry::Output(..)) {
            self.ended.send_replace(true);
        }
        // The log writer outlives the line.
        let _ = self.log_entries.send(said).await;
    }

    async fn tell(&self, event: GuestEvent) {
        // The receiver is gone where the shim is ending.
        let _ = self.events.send(event).await;
    }
}

fn listed(mut process: Listed) -> Listed {
    process.command_line = clean(&process.command_line);
    process.state = cut(&process.state, MAX_STATE);
    process
}

fn used(mut usage: Usage) -> Usage {
    usage.interfaces.truncate(MAX_INTERFACES);
    for interface in &mut usage.interfaces {
        interface.name = cut(&interface.name, MAX_INTERFACE_NAME);
    }
    usage
}
