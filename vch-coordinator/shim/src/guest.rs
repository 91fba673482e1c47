//! The guest's init at the other end of `vch.process`: what it is told, and where what it tells goes.

mod books;
mod scribe;

use crate::{
    log::{Position, Writer},
    stage::now_us,
};
pub use books::ExecNews;
use books::{Asked, Books};
use protocol::{
    frame::{self, Decoder},
    message::{Message, SessionNonce},
    process::{Fault, FromInit, MAX_CHUNK, Output, Phase, Process, ProcessId, ToInit},
};
use scribe::{Said, Scribe};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot, watch},
};

/// Messages to the guest that may wait for the line.
const WAITING: usize = 64;

/// What becomes of the container's own process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Init is there.
    Ready,
    /// A phase of the start is at its end.
    Phase(Phase, u64),
    /// The process runs.
    Started,
    /// It does not start.
    NotStarted(Fault, String),
    /// It has ended, and all that it wrote is in the log.
    Exited(protocol::process::Exit),
    /// The line is closed: the VM has ended.
    Closed,
}

/// The guest's init; cheap to clone.
#[derive(Clone)]
pub struct Guest {
    outbox: mpsc::Sender<ToInit>,
    books: Arc<Mutex<Books>>,
    written: watch::Receiver<Position>,
}

impl Guest {
    /// Drives the line until it is closed.
    pub fn spawn(
        line: UnixStream,
        nonce: SessionNonce,
        log: Writer,
    ) -> (Self, mpsc::Receiver<News>) {
        let (reader, writer) = line.into_split();
        let (outbox, to_send) = mpsc::channel(WAITING);
        let (news, told) = mpsc::channel(WAITING);
        let (position, written) = watch::channel(log.end());
        let (said, to_keep) = mpsc::channel(WAITING);
        let (ended, ending) = watch::channel(false);
        let scribe = Scribe::new(log, position, outbox.clone(), news.clone(), ending);
        tokio::spawn(scribe.write(to_keep));
        let books = Arc::new(Mutex::new(Books::default()));
        tokio::spawn(write(writer, nonce, to_send));
        let ear = Ear {
            nonce,
            said,
            ended,
            news,
            books: Arc::clone(&books),
        };
        tokio::spawn(ear.listen(reader));
        let guest = Self {
            outbox,
            books,
            written,
        };
        (guest, told)
    }

    /// Tells init something; nobody hears it where the VM has ended.
    pub async fn tell(&self, message: ToInit) {
        // It has ended then, which whoever waits is told otherwise.
        let _ = self.outbox.send(message).await;
    }

    /// How far the log is written, now and from now on.
    pub fn written(&self) -> watch::Receiver<Position> {
        self.written.clone()
    }

    /// Runs a process beside the container's own; `None` where there are too many.
    pub async fn exec(
        &self,
        process: Box<Process>,
    ) -> Option<(ProcessId, mpsc::UnboundedReceiver<ExecNews>)> {
        let (id, news) = self.books().seat()?;
        self.tell(ToInit::Exec { id, process }).await;
        Some((id, news))
    }

    /// Gives a process input, as fast as it takes it.
    pub async fn input(&self, id: ProcessId, bytes: &[u8]) {
        for piece in bytes.chunks(MAX_CHUNK) {
            let window = self.books().window(id);
            let count = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            // Closed: the process has ended.
            let Ok(credit) = window.acquire_many(count).await else {
                return;
            };
            credit.forget();
            let bytes = piece.to_vec();
            self.tell(ToInit::Input { id, bytes }).await;
        }
    }

    /// A client carried so many bytes of a process on.
    pub async fn taken(&self, id: ProcessId, stream: Output, count: usize) {
        let bytes = u32::try_from(count).unwrap_or(u32::MAX);
        self.tell(ToInit::Taken { id, stream, bytes }).await;
    }

    /// Asks init something that it answers; `None` where the VM has ended.
    pub async fn ask(&self, question: impl FnOnce(u32) -> ToInit) -> Option<FromInit> {
        let (answer, answered) = oneshot::channel();
        let request = self.books().asks(answer);
        self.tell(question(request)).await;
        answered.await.ok()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        locked(&self.books)
    }
}

fn locked(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    // Nothing panics while it holds the lock; what it guards stays whole in any case.
    books.lock().unwrap_or_else(PoisonError::into_inner)
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

struct Ear {
    nonce: SessionNonce,
    said: mpsc::Sender<Said>,
    ended: watch::Sender<bool>,
    news: mpsc::Sender<News>,
    books: Arc<Mutex<Books>>,
}

impl Ear {
    async fn listen(mut self, mut line: OwnedReadHalf) {
        let mut decoder = Decoder::new();
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = line.read(&mut buffer).await {
            let mut input = &buffer[..count];
            while let Some(frame) = decoder.next(&mut input) {
                // What is no frame, or of an earlier life, is nothing to this one.
                let frame = frame.ok().filter(|frame| frame.nonce == self.nonce);
                let message = frame.and_then(|frame| FromInit::decode(&frame.payload).ok());
                if let Some(message) = message {
                    self.hear(message).await;
                }
            }
        }
        locked(&self.books).close();
        // Behind all that the container has said.
        self.keep(Said::Closed).await;
    }

    async fn hear(&mut self, message: FromInit) {
        let main = ProcessId::MAIN;
        match message {
            FromInit::Ready { .. } => self.tell(News::Ready).await,
            FromInit::Phase { phase, uptime_us } => self.tell(News::Phase(phase, uptime_us)).await,
            FromInit::Started { id, .. } if id == main => self.tell(News::Started).await,
            FromInit::NotStarted { id, fault, reason } if id == main => {
                self.tell(News::NotStarted(fault, reason)).await;
            }
            // The guest has its window for what is not taken yet: a full disk holds nothing else up.
            FromInit::Output { id, stream, bytes } if id == main => {
                let at_ns = now_us().saturating_mul(1000);
                self.keep(Said::Output(stream, at_ns, bytes)).await;
            }
            FromInit::Exited { id, exit } if id == main => self.keep(Said::Exited(exit)).await,
            FromInit::Started { id, pid } => locked(&self.books).tell(id, ExecNews::Started(pid)),
            FromInit::NotStarted { id, fault, reason } => {
                locked(&self.books).end(id, ExecNews::NotStarted(fault, reason));
            }
            FromInit::Output { id, stream, bytes } => {
                locked(&self.books).tell(id, ExecNews::Output(stream, bytes));
            }
            FromInit::Exited { id, exit } => locked(&self.books).end(id, ExecNews::Exited(exit)),
            FromInit::Taken { id, bytes } => locked(&self.books).took(id, bytes),
            FromInit::Listed { request, .. }
            | FromInit::Used { request, .. }
            | FromInit::Updated { request, .. } => {
                locked(&self.books).answered(request, Asked::from(message));
            }
        }
    }

    async fn keep(&self, said: Said) {
        if !matches!(said, Said::Output(..)) {
            self.ended.send_replace(true);
        }
        // The scribe outlives the line.
        let _ = self.said.send(said).await;
    }

    async fn tell(&self, news: News) {
        // Nobody waits for it any more where the shim is on its way out.
        let _ = self.news.send(news).await;
    }
}

/// A mark for one life's frames.
pub fn nonce() -> io::Result<SessionNonce> {
    Ok(SessionNonce(u64::from_le_bytes(random()?).max(1)))
}

/// Random bytes of the host's.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    use std::io::Read;
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
