//! The shim's side of the connection to the guest's init: the virtserialport `vch.process`, here
//! called the line.

mod credit;
mod log_writer;
mod pending;
mod queue;
mod reader;

use crate::log::{Position, Writer};
use credit::Credit;
use log_writer::LogWriter;
use parking_lot::{Mutex, MutexGuard};
use pending::PendingRequests;
use protocol::{
    frame,
    message::{Message, SessionNonce},
    process::{Fault, FromInit, MAX_CHUNK, Output, Phase, Process, ProcessId, ToInit},
};
pub use queue::{ExecEvent, Queue};
pub use reader::Breach;
use reader::GuestReader;
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::{UnixStream, unix::OwnedWriteHalf},
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

/// Messages to the guest that may wait for the line.
const WAITING: usize = 64;

/// The maximum time that the guest's init has to take a message, or to answer a question: less than
/// the shim's clients wait. The slowest guest seen, one that boots under emulation, took 3 s.
pub const ANSWER: Duration = Duration::from_secs(8);

/// An event of the container's main process, or of the connection to the guest's init.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestEvent {
    /// Init has answered, and speaks this version of the protocol.
    Ready(u16),
    /// A phase of the container's start has ended, at this uptime of the guest in microseconds.
    Phase(Phase, u64),
    /// The container's main process runs.
    Started,
    /// The main process can't be started. Has the kind of the fault, and the reason in words,
    /// cleaned for terminals.
    NotStarted(Fault, String),
    /// The main process has ended, and all of its output is in the log.
    Exited(protocol::process::Exit),
    /// The connection is closed: the VM has ended.
    Closed,
    /// The guest violated the protocol in a way that no init of this project does, so the VM must
    /// be ended.
    Broke(Breach),
}

/// The reason for which the guest's init did not answer a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Init did not answer within [`ANSWER`].
    Timeout,
    /// The VM has ended.
    Ended,
}

/// A further process in the container that [`Guest::exec`] requested.
pub struct Seated {
    /// The process's number within this run of the VM.
    pub id: ProcessId,
    /// The process's start, output and end, until they are read.
    pub events: Arc<Queue>,
    credit: Arc<Credit>,
}

/// A handle to the guest's init, to which it sends messages. Cheap to clone; clones share the
/// connection.
#[derive(Clone)]
pub struct Guest {
    outbox: mpsc::Sender<ToInit>,
    pending: Arc<Mutex<PendingRequests>>,
    written: watch::Receiver<Position>,
}

impl Guest {
    /// Returns a handle to the guest's init at the other end of `line`, a receiver of the events of
    /// the container's main process, and a future that drives the connection. The future must be
    /// polled; it ends when the connection is closed and all output that arrived is in `log`.
    /// `nonce` marks the messages of this run.
    pub fn new(
        line: UnixStream,
        nonce: SessionNonce,
        log: Writer,
    ) -> (
        Self,
        mpsc::Receiver<GuestEvent>,
        impl Future<Output = ()> + Send + 'static,
    ) {
        let (reader, writer) = line.into_split();
        let (outbox, to_send) = mpsc::channel(WAITING);
        let (events, told) = mpsc::channel(WAITING);
        let (position, written) = watch::channel(log.end());
        let (said, to_keep) = mpsc::channel(WAITING);
        let (ended, ending) = watch::channel(false);
        let credit = Arc::new(Credit::default());
        let back = (outbox.clone(), Arc::clone(&credit));
        let log_writer = LogWriter::new(log, position, back, events.clone(), ending);
        let pending = Arc::new(Mutex::new(PendingRequests::default()));
        let guest_reader =
            GuestReader::new(nonce, (said, ended), events, (Arc::clone(&pending), credit));
        let driving = async move {
            let hearing = async {
                tokio::join!(guest_reader.listen(reader), log_writer.write(to_keep));
            };
            let telling = async {
                write(writer, nonce, to_send).await;
                std::future::pending::<Infallible>().await
            };
            tokio::select! {
                () = hearing => {}
                never = telling => match never {},
            }
        };
        let guest = Self {
            outbox,
            pending,
            written,
        };
        (guest, told, driving)
    }

    /// Sends a message to init. Waits while the connection takes no more. The message is dropped if
    /// the VM has ended.
    pub async fn tell(&self, message: ToInit) {
        // The send fails only if the VM has ended, of which callers are told by events.
        let _ = self.outbox.send(message).await;
    }

    /// Waits until the connection takes a message, then sends the one that `message` returns.
    /// Cancel-safe. Does nothing if the VM has ended.
    pub async fn offer(&self, message: impl FnOnce() -> ToInit) {
        // The VM has ended otherwise.
        if let Ok(permit) = self.outbox.reserve().await {
            permit.send(message());
        }
    }

    /// Sends a message as [`Guest::tell`] does, but waits no longer than [`ANSWER`]. Returns
    /// whether the message was sent or the VM has ended.
    pub async fn tell_in_time(&self, message: ToInit) -> bool {
        timeout(ANSWER, self.tell(message)).await.is_ok()
    }

    /// Returns a receiver of the position up to which the log of the container's output is written.
    pub fn written(&self) -> watch::Receiver<Position> {
        self.written.clone()
    }

    /// Asks init to start a further process in the container. Returns before the process runs;
    /// `None` if there are too many processes.
    pub async fn exec(&self, process: Box<Process>) -> Option<Seated> {
        let (id, events, credit) = self.pending().seat()?;
        self.tell(ToInit::Exec { id, process }).await;
        Some(Seated { id, events, credit })
    }

    /// Sends input to a process, as fast as the process takes it. Returns `false` if the process
    /// has ended.
    pub async fn input(&self, id: ProcessId, bytes: &[u8]) -> bool {
        for piece in bytes.chunks(MAX_CHUNK) {
            let Some(window) = self.pending().window(id) else {
                return false;
            };
            let count = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            // Closed: the process has ended.
            let Ok(credit) = window.acquire_many(count).await else {
                return false;
            };
            credit.forget();
            let bytes = piece.to_vec();
            self.tell(ToInit::Input { id, bytes }).await;
        }
        true
    }

    /// Tells init that this many bytes of a process's output were passed on or discarded, so that
    /// init may send as many again.
    pub async fn taken(&self, of: &Seated, stream: Output, bytes: u32) {
        of.credit.give_back(stream, bytes);
        let id = of.id;
        self.tell(ToInit::Taken { id, stream, bytes }).await;
    }

    /// Sends a question to init, and waits for the answer for at most [`ANSWER`]. `question` gets
    /// the number that the answer must bear.
    ///
    /// # Errors
    /// Returns [`Unanswered::Timeout`] if init does not answer in time, [`Unanswered::Ended`] if
    /// the VM has ended.
    pub async fn ask(&self, question: impl FnOnce(u32) -> ToInit) -> Result<FromInit, Unanswered> {
        let (answer, mut answered) = oneshot::channel();
        let request = self.pending().asks(answer);
        let _asking = Asking {
            pending: &self.pending,
            request,
        };
        let asked = timeout(ANSWER, async {
            tokio::select! {
                // The VM has ended while the line takes no more.
                answer = &mut answered => return answer,
                () = self.tell(question(request)) => {}
            }
            answered.await
        });
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Unanswered::Ended),
            Err(_) => Err(Unanswered::Timeout),
        }
    }

    /// Returns whether the line to init is closed: the VM has ended.
    pub fn has_ended(&self) -> bool {
        self.pending().is_closed()
    }

    fn pending(&self) -> MutexGuard<'_, PendingRequests> {
        locked(&self.pending)
    }
}

/// A question that is open; its answer is not awaited any more once this is dropped.
struct Asking<'a> {
    pending: &'a Mutex<PendingRequests>,
    request: u32,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        locked(self.pending).forget(self.request);
    }
}

fn locked(pending: &Mutex<PendingRequests>) -> MutexGuard<'_, PendingRequests> {
    pending.lock()
}

async fn write(
    mut line: OwnedWriteHalf,
    nonce: SessionNonce,
    mut messages: mpsc::Receiver<ToInit>,
) {
    let mut bytes = Vec::new();
    while let Some(message) = messages.recv().await {
        bytes.clear();
        // A message at its bounds fits; one beyond was refused where it came from.
        let Ok(payload) = message.encode() else {
            continue;
        };
        if frame::encode(nonce, &payload, &mut bytes).is_err()
            || line.write_all(&bytes).await.is_err()
        {
            return;
        }
    }
}

/// Returns a random number, not 0, that marks the messages of one run of a VM.
///
/// # Errors
/// Returns the kernel's error if it gives no random bytes.
pub fn nonce() -> io::Result<SessionNonce> {
    Ok(SessionNonce(u64::from_le_bytes(random()?).max(1)))
}

/// Returns `N` random bytes of the host's kernel.
///
/// # Errors
/// Returns the kernel's error if it gives no random bytes.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    use std::io::Read;
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
pub mod fake;
#[cfg(test)]
mod tests;
