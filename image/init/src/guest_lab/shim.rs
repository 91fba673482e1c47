//! The shim's side of a line whose other end is an init that runs in a child.

use crate::{
    fork::{fork, leave},
    line::Line,
    start_error::StartError,
};
use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::Pid,
};
use protocol::{
    frame::{self, Decoder},
    message::{Message, SessionNonce},
    process::{Exit, FromInit, Output, Phase, ProcessId, Start, ToInit, VERSION, WINDOW},
};
use std::{
    collections::VecDeque,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
/// The mark of the life that a shim begins.
const NONCE: SessionNonce = SessionNonce(7);

/// The test's side of a conversation with an init: it does what a shim does on the host. The init runs in a child
/// process, at the other end of a Unix socket (the line).
pub struct Shim {
    line: UnixStream,
    decoder: Decoder,
    nonce: SessionNonce,
    waiting: VecDeque<FromInit>,
    init: Pid,
}

impl Shim {
    /// Forks a child process and calls `serve` in it, with the child's end of a new Unix socket: the line on which an
    /// init talks to its shim. Returns the parent's end. The child exits with 0 if `serve` returns `Ok`; with an `Err`,
    /// it prints the error to standard error and exits with 1. [`power_off`](Self::power_off) returns that code.
    pub fn new<E: std::error::Error>(serve: impl FnOnce(Line) -> Result<(), E>) -> Self {
        let (own, its) = UnixStream::pair().unwrap();
        match fork(0).unwrap() {
            None => {
                drop(own);
                its.set_nonblocking(true).unwrap();
                match serve(Line::over(OwnedFd::from(its))) {
                    Ok(()) => leave(0),
                    Err(error) => {
                        eprintln!("init: {error}: {:?}", error.source());
                        leave(1)
                    }
                }
            }
            Some(init) => {
                own.set_read_timeout(Some(SOON)).unwrap();
                Self {
                    line: own,
                    decoder: Decoder::new(),
                    nonce: SessionNonce::NONE,
                    waiting: VecDeque::new(),
                    init,
                }
            }
        }
    }

    /// Sends the first message of a run (`ToInit::Hello`), and waits for init's `Ready` and the two phases that follow
    /// it. Returns these phases, in order. Panics if init answers anything else.
    pub fn hello(&mut self) -> Vec<Phase> {
        self.nonce = NONCE;
        self.send(&ToInit::Hello {
            version: VERSION,
            now_ms: crate::system_clock::now_ms(),
            seed: [3; 32],
        });
        assert_eq!(self.next(), FromInit::Ready { version: VERSION });
        let phases = [self.next(), self.next()];
        let phases = phases.map(|message| match message {
            FromInit::Phase { phase, .. } => phase,
            other => panic!("no phase: {other:?}"),
        });
        phases.to_vec()
    }

    /// Sends a message to init, and returns without waiting for an answer. Panics if the line is closed.
    pub fn send(&mut self, message: &ToInit) {
        let mut bytes = Vec::new();
        frame::encode(self.nonce, &message.encode().unwrap(), &mut bytes).unwrap();
        self.line.write_all(&bytes).unwrap();
    }

    /// Sends `ToInit::Start`, which requests init to set up the container and run its main process. Does not wait for
    /// the process.
    pub fn start(&mut self, start: &Start) {
        self.send(&ToInit::Start(Box::new(start.clone())));
    }

    /// Waits for init's next message and returns it. Panics if init sends nothing for 20 s, has ended, or sends a frame
    /// of another session.
    pub fn next(&mut self) -> FromInit {
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return message;
            }
            let count = self.line.read(&mut buffer).expect("init says nothing");
            assert!(count > 0, "init has ended");
            let mut input = &buffer[..count];
            while let Some(frame) = self.decoder.next(&mut input) {
                let frame = frame.unwrap();
                assert_eq!(frame.nonce, self.nonce, "of another life");
                self.waiting
                    .push_back(FromInit::decode(&frame.payload).unwrap());
            }
        }
    }

    /// Waits for init's next message for which `wanted` returns a value, and returns that value. Drops the messages
    /// before it.
    pub fn until<T>(&mut self, mut wanted: impl FnMut(&FromInit) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.next()) {
                return found;
            }
        }
    }

    /// Waits until init reports that the process with this number runs, and returns its process ID in the container.
    /// Panics if init reports that it could not be started.
    pub fn started(&mut self, id: ProcessId) -> u32 {
        self.until(|message| match message {
            FromInit::Started { id: its, pid } if *its == id => Some(*pid),
            FromInit::NotStarted {
                id: its, reason, ..
            } if *its == id => panic!("{reason}"),
            _ => None,
        })
    }

    /// Waits until init reports that the process with this number has ended; returns its standard output, its standard
    /// error and its exit status. Acknowledges output as a shim does. Panics if the process could not be started.
    pub fn ended(&mut self, id: ProcessId) -> (String, String, Exit) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match self.next() {
                FromInit::Output {
                    id: its,
                    stream,
                    bytes,
                } if its == id => {
                    let count = u32::try_from(bytes.len()).unwrap();
                    assert!(count <= WINDOW);
                    match stream {
                        Output::Stdout => stdout.extend(bytes),
                        Output::Stderr => stderr.extend(bytes),
                    }
                    self.send(&ToInit::Taken {
                        id,
                        stream,
                        bytes: count,
                    });
                }
                FromInit::Exited { id: its, exit } if its == id => {
                    let text = |bytes| String::from_utf8(bytes).unwrap();
                    return (text(stdout), text(stderr), exit);
                }
                FromInit::NotStarted {
                    id: its, reason, ..
                } if its == id => panic!("{reason}"),
                _ => {}
            }
        }
    }

    /// Waits until init reports that the process with this number could not be started, and returns the reason. Panics
    /// if the process runs instead.
    pub fn not_started(&mut self, id: ProcessId) -> StartError {
        self.until(|message| match message {
            FromInit::NotStarted {
                id: its,
                fault,
                reason,
            } if *its == id => Some(StartError::new(*fault, reason.clone())),
            FromInit::Started { id: its, .. } if *its == id => panic!("{id:?} runs"),
            _ => None,
        })
    }

    /// Sends `ToInit::PowerOff`, waits until the child with the init has ended, and returns the child's exit code.
    /// Panics if a signal ended the child.
    pub fn power_off(mut self) -> i32 {
        self.send(&ToInit::PowerOff);
        match waitpid(self.init, None).unwrap() {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}"),
        }
    }
}
