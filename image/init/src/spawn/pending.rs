//! Init's side of the start of a process, until the child executes its program.

use super::handshake::{self, ChildMessage, Received, ended};
use crate::{
    process::StreamEnds,
    start_error::{StartError, failed},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use protocol::process::Output;
use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

/// The maximum time from a child's fork until it is in the container's namespaces, and from there
/// until it executes its program. Usually it takes some milliseconds; on a host whose disks are
/// busy, 13 s were seen. A child that was stopped, or that waits for a file of the container, would
/// never finish. The shim and its clients wait longer.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Init's ends of the handshake socket and of the process's streams.
pub struct InitEnds {
    /// Init's end of the handshake socket.
    pub socket: OwnedFd,
    /// Init's ends of standard input, output and error; `None` for a terminal, which the child
    /// sends.
    pub pipes: Option<[OwnedFd; 3]>,
    /// Whether the process has an input.
    pub input: bool,
}

/// A child that does not execute its program yet.
pub struct PendingChild {
    pid: Pid,
    ends: InitEnds,
    terminal: Option<OwnedFd>,
    /// The child's number in the container, once it is about to run its program.
    inner: Option<u32>,
    in_place: bool,
    released: bool,
    deadline: Instant,
}

/// How far the start of a process has come.
pub enum Progress {
    /// The child does not execute its program yet.
    Pending(PendingChild),
    /// The child executes its program.
    Started(Started),
    /// The child failed to execute its program, for this reason.
    Failed(StartError),
}

/// A process that executes its program.
pub struct Started {
    /// The process ID in init's PID namespace.
    pub pid: Pid,
    /// The process ID in the container's PID namespace.
    pub inner: u32,
    /// Init's ends of the process's input and output.
    pub ends: StreamEnds,
}

impl PendingChild {
    /// Returns init's side of a child that was just forked.
    pub fn new(pid: Pid, ends: InitEnds) -> Self {
        Self {
            pid,
            ends,
            terminal: None,
            inner: None,
            in_place: false,
            released: false,
            deadline: Instant::now() + DEADLINE,
        }
    }

    /// Returns the child's process ID in init's PID namespace.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Returns the descriptor to poll for the child's messages.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.ends.socket.as_fd()
    }

    /// Returns when the child is late and must be killed; `None` while init itself holds it.
    pub fn deadline(&self) -> Option<Instant> {
        (!self.is_held()).then_some(self.deadline)
    }

    /// Returns whether the child is in the container's namespaces, and waits for
    /// [`PendingChild::release`].
    pub fn is_held(&self) -> bool {
        self.in_place && !self.released
    }

    /// Lets a held child continue and execute its program.
    ///
    /// # Errors
    /// Returns [`Fault::Other`](protocol::process::Fault::Other) if the child has ended.
    pub fn release(&mut self) -> Result<(), StartError> {
        self.deadline = Instant::now() + DEADLINE;
        self.released = true;
        handshake::send(&self.ends.socket, &ChildMessage::InPlace, None).map_err(|_| ended())
    }

    /// Kills the child, whose process is not wanted any more.
    pub fn abandon(self) {
        // It has ended by itself then.
        let _ = kill(self.pid, Signal::SIGKILL);
    }

    /// Reads the child's messages that have arrived, and returns how far it has come. Kills the
    /// child if it is late at `now`. Does not wait.
    pub fn advance(mut self, now: Instant) -> Progress {
        loop {
            match handshake::receive(&self.ends.socket) {
                Ok(Received::Nothing) => break,
                Ok(Received::End) => return self.over(),
                Ok(Received::Message(message, descriptor)) => match message {
                    ChildMessage::Terminal => self.terminal = descriptor,
                    ChildMessage::InPlace => self.in_place = true,
                    ChildMessage::Executes(inner) => self.inner = Some(inner),
                    ChildMessage::Failed(error) => return Progress::Failed(error),
                },
                Err(error) => {
                    self.abandon();
                    return Progress::Failed(failed("hear the child")(error));
                }
            }
        }
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return Progress::Pending(self);
        }
        self.abandon();
        Progress::Failed(StartError::other(format!(
            "the process did not begin within {} s: it was stopped, or waits for a file of the container",
            DEADLINE.as_secs()
        )))
    }

    /// Decides what the end of the socket means.
    fn over(self) -> Progress {
        let Some(inner) = self.inner else {
            return Progress::Failed(ended());
        };
        let pid = self.pid;
        match self.process_ends() {
            Ok(ends) => Progress::Started(Started { pid, inner, ends }),
            Err(error) => {
                // Nothing would carry what it writes.
                let _ = kill(pid, Signal::SIGKILL);
                Progress::Failed(error)
            }
        }
    }

    fn process_ends(self) -> Result<StreamEnds, StartError> {
        let input = self.ends.input;
        if let Some([stdin, stdout, stderr]) = self.ends.pipes {
            return Ok(StreamEnds {
                input: input.then_some(stdin),
                outputs: vec![(Output::Stdout, stdout), (Output::Stderr, stderr)],
                terminal: None,
            });
        }
        let terminal = self.terminal.ok_or_else(ended)?;
        let copy = || {
            let copy = terminal.as_fd().try_clone_to_owned();
            copy.map_err(failed("keep the terminal"))
        };
        Ok(StreamEnds {
            input: if input { Some(copy()?) } else { None },
            outputs: vec![(Output::Stdout, copy()?)],
            terminal: Some(terminal),
        })
    }
}
