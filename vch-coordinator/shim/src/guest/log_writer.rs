//! Writes the container's output to its log, in the order of its arrival.

use super::{GuestEvent, credit::Credit};
use crate::{
    log::{Position, Writer},
    stderr::log,
};
use protocol::process::{Exit, Output, ProcessId, ToInit};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

/// While the disk takes no more of the log, the container waits; then it is tried again.
const DISK_PAUSE: Duration = Duration::from_millis(500);
/// How long the end of a VM waits for room on a full disk; what finds none by then is lost.
const LAST_TRIES: Duration = Duration::from_secs(5);

/// An entry of the queue of the [`LogWriter`].
pub enum LogEntry {
    /// Bytes that the main process wrote to a stream, with the time of their arrival in nanoseconds
    /// since 1970.
    Output(Output, u64, Vec<u8>),
    /// The main process has ended.
    Exited(Exit),
    /// The VM has ended; no further entry follows.
    Closed,
}

/// Writes the container's output to its log. It is the only writer of the log.
pub struct LogWriter {
    log: Writer,
    position: watch::Sender<Position>,
    outbox: mpsc::Sender<ToInit>,
    credit: Arc<Credit>,
    events: mpsc::Sender<GuestEvent>,
    /// Its process has ended, or its VM.
    ended: watch::Receiver<bool>,
    /// The time at which the end was found while the disk was full.
    ending: Option<Instant>,
}

impl LogWriter {
    /// Returns a writer of `log`. It publishes the end of the log at `position`, acknowledges
    /// output to the guest by `outbox` and `credit`, and reports the end of the process in
    /// `events`. `ended` says whether the process or its VM has ended.
    pub fn new(
        log: Writer,
        position: watch::Sender<Position>,
        (outbox, credit): (mpsc::Sender<ToInit>, Arc<Credit>),
        events: mpsc::Sender<GuestEvent>,
        ended: watch::Receiver<bool>,
    ) -> Self {
        Self {
            log,
            position,
            outbox,
            credit,
            events,
            ended,
            ending: None,
        }
    }

    /// Writes the entries that arrive until [`LogEntry::Closed`]. On a full disk it waits and tries
    /// again.
    pub async fn write(mut self, mut said: mpsc::Receiver<LogEntry>) {
        while let Some(one) = said.recv().await {
            match one {
                LogEntry::Output(stream, at_ns, bytes) => {
                    self.until_it_is(|log| log.append(stream, at_ns, &bytes))
                        .await;
                    self.position.send_replace(self.log.end());
                    let bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                    self.credit.give_back(stream, bytes);
                    let message = ToInit::Taken {
                        id: ProcessId::MAIN,
                        stream,
                        bytes,
                    };
                    // The VM has ended then.
                    let _ = self.outbox.send(message).await;
                }
                // The log is on disk before anybody learns of the end.
                LogEntry::Exited(exit) => {
                    self.until_it_is(|log| log.sync()).await;
                    self.tell(GuestEvent::Exited(exit)).await;
                }
                LogEntry::Closed => {
                    self.tell(GuestEvent::Closed).await;
                    return;
                }
            }
        }
    }

    /// Tries until it is done, however long the disk takes; not for ever once the process has ended.
    async fn until_it_is(&mut self, mut write: impl FnMut(&mut Writer) -> io::Result<()>) {
        let mut told = false;
        while let Err(error) = write(&mut self.log) {
            if *self.ended.borrow() {
                let since = self.ending.get_or_insert_with(Instant::now);
                if since.elapsed() >= LAST_TRIES {
                    log(format_args!(
                        "the last words are lost, the log takes no more: {error}"
                    ));
                    return;
                }
            }
            // Once a pause: the shim's own log is on that disk, too.
            if !std::mem::replace(&mut told, true) {
                log(format_args!(
                    "the log takes no more, the container waits: {error}"
                ));
            }
            sleep(DISK_PAUSE).await;
        }
    }

    async fn tell(&self, event: GuestEvent) {
        // Nobody waits for it any more where the shim is on its way out.
        let _ = self.events.send(event).await;
    }
}
