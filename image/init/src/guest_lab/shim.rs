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

/// A shim's end of the line, with the init at the other end.
pub struct Shim {
    line: UnixStream,
    decoder: Decoder,
    nonce: SessionNonce,
    waiting: VecDeque<FromInit>,
    init: Pid,
}

impl Shim {
    /// Runs an init in a child; `serve` runs in the child with its end of the line.
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

    /// Begins a run; returns the phases that init has reported.
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

    /// Sends a message.
    pub fn send(&mut self, message: &ToInit) {
        let mut bytes = Vec::new();
        frame::encode(self.nonce, &message.encode().unwrap(), &mut bytes).unwrap();
        self.line.write_all(&bytes).unwrap();
    }

    /// Requests the container.
    pub fn start(&mut self, start: &Start) {
        self.send(&ToInit::Start(Box::new(start.clone())));
    }

    /// Waits for the next message and returns it.
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

    /// Waits for a message that `wanted` accepts and returns its value; those before it are
    /// dropped.
    pub fn until<T>(&mut self, mut wanted: impl FnMut(&FromInit) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.next()) {
                return found;
            }
        }
    }

    /// Waits until a process runs; returns its process ID in the container.
    pub fn started(&mut self, id: ProcessId) -> u32 {
        self.until(|message| match message {
            FromInit::Started { id: its, pid } if *its == id => Some(*pid),
            FromInit::NotStarted {
                id: its, reason, ..
            } if *its == id => panic!("{reason}"),
            _ => None,
        })
    }

    /// Waits until a process has ended; returns its standard output, its standard error and its exit status.
    /// Acknowledges output as a shim does.
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

    /// Waits for the refusal of a process and returns it.
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

    /// Ends init; returns its exit code.
    pub fn power_off(mut self) -> i32 {
        self.send(&ToInit::PowerOff);
        match waitpid(self.init, None).unwrap() {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}"),
        }
    }
}
