//! Records the HTTP requests of a CLI and the answers of a daemon: a Unix socket between them that passes every
//! byte on, and keeps requests, statuses and bodies.

mod messages;

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

use crate::deadline::readable;
use crate::world::Lab;
use messages::{Message, Messages, Side};

/// More than any answer of a daemon that tests look into; a stream that is longer is remembered up to here.
const REMEMBERED: usize = 1 << 20;

/// An HTTP request and its answer, as a [`Wiretap`] saw them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The request's method, such as `GET`.
    pub method: String,
    /// The request's path and query, as the client sent them.
    pub path: String,
    /// The answer's HTTP status; `None` if the daemon has not answered.
    pub status: Option<u16>,
    /// The first mebibyte of the answer's body, without the heads of chunks; of a connection that became a stream, the
    /// first mebibyte of what the daemon sent.
    pub body: Vec<u8>,
}

type Heard = Arc<Mutex<Vec<Exchange>>>;

/// A Unix socket between clients and a daemon, which passes every byte on and records requests and answers. Listens
/// until it is dropped.
#[derive(Debug)]
pub struct Wiretap {
    socket: PathBuf,
    heard: Heard,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wiretap {
    /// Opens the socket `name`.sock in the test's directory, and listens there. Each client that connects gets a
    /// connection of its own to `daemon`, the path of the daemon's socket.
    ///
    /// # Errors
    /// Returns the error of the system if the socket cannot be opened.
    pub fn start(lab: &Lab, name: &str, daemon: &Path) -> Result<Self> {
        let socket = lab.path(&format!("{name}.sock"));
        let listener = UnixListener::bind(&socket).context("listen between CLI and daemon")?;
        listener.set_nonblocking(true).context("the listener")?;
        let (heard, stop) = (Heard::default(), Arc::new(AtomicBool::new(false)));
        let (of_thread, told) = (Arc::clone(&heard), Arc::clone(&stop));
        let daemon = daemon.to_owned();
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                if readable(&listener)
                    && let Ok((client, _)) = listener.accept()
                {
                    // A daemon that is gone is what the client is to see: its connection ends.
                    drop(joined(&client, &daemon, &of_thread));
                }
            }
        });
        Ok(Self {
            socket,
            heard,
            stop,
            thread: Some(thread),
        })
    }

    /// Returns the path of the socket that clients connect to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns the requests since the last call, in the order of their arrival, each with as much of its answer as has
    /// arrived, and forgets them. An answer that arrives later is lost.
    #[must_use]
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Joins a client and the daemon by two threads, which end when either side does.
fn joined(client: &UnixStream, daemon: &Path, heard: &Heard) -> io::Result<()> {
    client.set_nonblocking(false)?;
    let daemon = UnixStream::connect(daemon)?;
    let waiting = Waiting::default();
    for (side, from, to) in [
        (Side::Client, client, &daemon),
        (Side::Daemon, &daemon, client),
    ] {
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        let listener = Listener {
            heard: Arc::clone(heard),
            waiting: Arc::clone(&waiting),
            present: None,
        };
        thread::spawn(move || {
            // An error is an end like any other: both sides see it.
            drop(hand_on(from, to, side, listener));
        });
    }
    Ok(())
}

/// Passes bytes on; keeps them before, so that a client that has an answer finds it kept.
fn hand_on(
    mut from: UnixStream,
    mut to: UnixStream,
    side: Side,
    mut listener: Listener,
) -> io::Result<()> {
    let mut messages = Messages::of(side);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return to.shutdown(Shutdown::Write);
        }
        for message in messages.feed(&buffer[..count], || listener.is_answer_to_head()) {
            listener.hear(message);
        }
        to.write_all(&buffer[..count])?;
    }
}

/// A connection's requests that are not answered yet: indices in what was heard, and whether the method is HEAD.
type Waiting = Arc<Mutex<Vec<PendingRequest>>>;

#[derive(Debug, Clone)]
struct PendingRequest {
    method: String,
    path: String,
    index: usize,
}

#[derive(Debug)]
struct Listener {
    heard: Heard,
    waiting: Waiting,
    /// The exchange whose body arrives now.
    present: Option<PendingRequest>,
}

impl Listener {
    fn is_answer_to_head(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting
            .first()
            .is_some_and(|request| request.method == "HEAD")
    }

    fn hear(&mut self, message: Message) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match message {
            Message::Request { method, path } => {
                let index = heard.len();
                waiting.push(PendingRequest {
                    method: method.clone(),
                    path: path.clone(),
                    index,
                });
                heard.push(Exchange {
                    method,
                    path,
                    status: None,
                    body: Vec::new(),
                });
            }
            Message::Status(status) => {
                if waiting.is_empty() {
                    return;
                }
                let request = waiting.remove(0);
                if let Some(exchange) = of(&mut heard, &request) {
                    exchange.status = Some(status);
                }
                self.present = Some(request);
            }
            Message::Body(bytes) => {
                let exchange = self
                    .present
                    .as_ref()
                    .and_then(|request| of(&mut heard, request));
                if let Some(exchange) = exchange {
                    let room = REMEMBERED.saturating_sub(exchange.body.len());
                    let taken = bytes.len().min(room);
                    exchange.body.extend_from_slice(&bytes[..taken]);
                }
            }
        }
    }
}

/// Returns the exchange of a request, unless it was taken meanwhile.
fn of<'a>(heard: &'a mut [Exchange], request: &PendingRequest) -> Option<&'a mut Exchange> {
    let exchange = heard.get_mut(request.index)?;
    (exchange.method == request.method && exchange.path == request.path).then_some(exchange)
}
