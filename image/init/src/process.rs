//! A running process of the container, with init's ends of its input and output.

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::{Pid, read, write},
};
use protocol::process::{
    Exit, FromInit, MAX_CHUNK, Output, ProcessId, TerminalSize, ToInit, WINDOW,
};
use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use crate::{line::Line, signals, terminal};

/// A running process of the container, and init's ends of its input and output.
pub struct RunningProcess {
    /// The number by which the shim names the process.
    pub id: ProcessId,
    /// The process ID in init's PID namespace.
    pub pid: Pid,
    input: Input,
    outputs: Vec<Stream>,
    terminal: Option<OwnedFd>,
    /// The exit status; `None` while the process runs. Some of its output may not be sent yet.
    pub exit: Option<Exit>,
}

#[derive(Default)]
struct Input {
    descriptor: Option<OwnedFd>,
    waiting: VecDeque<u8>,
    ends: bool,
}

struct Stream {
    descriptor: OwnedFd,
    output: Output,
    /// Bytes that may be under way.
    credit: u32,
    /// A terminal that no process has open at present: when to look again.
    again: Option<Instant>,
}

/// Between two looks at a terminal that no process has open: a process may close its own and open it anew, as systemd
/// does.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Init's ends of the input and output of a process.
pub struct StreamEnds {
    /// The end that the process's input is written to; `None` if the process has no input.
    pub input: Option<OwnedFd>,
    /// The ends that the process's outputs are read from; a terminal has only one.
    pub outputs: Vec<(Output, OwnedFd)>,
    /// Init's end of the process's terminal; `None` if it has none.
    pub terminal: Option<OwnedFd>,
}

impl RunningProcess {
    /// Returns a running process with this number, process ID and stream ends.
    ///
    /// # Errors
    /// Returns the system's error if a descriptor can't be made non-blocking.
    pub fn new(id: ProcessId, pid: Pid, ends: StreamEnds) -> io::Result<Self> {
        let mut outputs = Vec::new();
        for (output, descriptor) in ends.outputs {
            unblocked(&descriptor)?;
            outputs.push(Stream {
                descriptor,
                output,
                credit: WINDOW,
                again: None,
            });
        }
        if let Some(descriptor) = &ends.input {
            unblocked(descriptor)?;
        }
        Ok(Self {
            id,
            pid,
            input: Input {
                descriptor: ends.input,
                ..Input::default()
            },
            outputs,
            terminal: ends.terminal,
            exit: None,
        })
    }

    /// Does what a message of the shim asks for this process: input, end of input, acknowledged
    /// output, terminal size, signal.
    pub fn follow(&mut self, message: ToInit) {
        match message {
            ToInit::Input { bytes, .. } => self.give(&bytes),
            ToInit::InputEnd { .. } => self.end_input(),
            ToInit::Taken { stream, bytes, .. } => self.taken(stream, bytes),
            ToInit::Resize { size, .. } => self.resize(size),
            ToInit::Signal { signal, .. } => self.signal(signal),
            // They are of no process.
            _ => {}
        }
    }

    /// Queues input.
    fn give(&mut self, bytes: &[u8]) {
        self.input.waiting.extend(bytes);
    }

    /// Lets the input end behind what is queued. A terminal has no end: a key ends it.
    fn end_input(&mut self) {
        if self.terminal.is_none() {
            self.input.ends = true;
        }
    }

    /// Lets more of a stream be under way.
    fn taken(&mut self, output: Output, bytes: u32) {
        if let Some(stream) = self
            .outputs
            .iter_mut()
            .find(|stream| stream.output == output)
        {
            stream.credit = stream.credit.saturating_add(bytes).min(WINDOW);
        }
    }

    fn resize(&self, size: TerminalSize) {
        if let Some(terminal) = &self.terminal {
            terminal::resize(terminal, size);
        }
    }

    fn signal(&self, number: u8) {
        if self.exit.is_none() {
            // It has just ended, or no signal has that number.
            let _ = signals::send(self.pid, number.into());
        }
    }

    /// Returns when an output must be read again: a terminal that no process has open at present.
    /// `None` if there is no such terminal.
    pub fn deadline(&self) -> Option<Instant> {
        self.outputs.iter().filter_map(|stream| stream.again).min()
    }

    /// Returns the descriptors of outputs to poll: those that may be sent at present.
    pub fn readable(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let streams = self.outputs.iter();
        let streams = streams.filter(|stream| stream.credit > 0 && stream.again.is_none());
        streams.map(|stream| stream.descriptor.as_fd())
    }

    /// Returns the descriptor of the input to poll; `None` unless input is queued.
    pub fn writable(&self) -> Option<BorrowedFd<'_>> {
        let waits = !self.input.waiting.is_empty() || self.input.ends;
        self.input
            .descriptor
            .as_ref()
            .filter(|_| waits)
            .map(AsFd::as_fd)
    }

    /// Reads the process's output and queues it on the line, as far as its windows and the line
    /// allow.
    pub fn read(&mut self, line: &mut Line) {
        let (id, ended) = (self.id, self.exit.is_some());
        let mut buffer = vec![0; MAX_CHUNK];
        let now = Instant::now();
        self.outputs.retain_mut(|stream| {
            if !ended && stream.again.is_some_and(|again| again > now) {
                return true;
            }
            stream.again = None;
            while stream.credit > 0 && !line.is_full() {
                let most = usize::try_from(stream.credit)
                    .unwrap_or(usize::MAX)
                    .min(MAX_CHUNK);
                match read(&stream.descriptor, &mut buffer[..most]) {
                    // A terminal that no process has open answers so. While its process lives, that may open it again.
                    Err(Errno::EIO) if !ended => {
                        stream.again = Some(now + LOOK_AGAIN);
                        return true;
                    }
                    Ok(0) | Err(Errno::EIO) => return false,
                    Ok(count) => {
                        stream.credit -= u32::try_from(count).unwrap_or(stream.credit);
                        line.tell(&FromInit::Output {
                            id,
                            stream: stream.output,
                            bytes: buffer[..count].to_vec(),
                        });
                    }
                    Err(Errno::EINTR) => {}
                    // Every process that might write to the main process's stream is about to end; another process
                    // may have left a descendant behind, which keeps the stream open.
                    Err(Errno::EAGAIN) => return !ended || id == ProcessId::MAIN,
                    Err(_) => return false,
                }
            }
            true
        });
    }

    /// Writes the queued input to the process, as far as the process takes it, and acknowledges it
    /// to the shim.
    pub fn write(&mut self, line: &mut Line) {
        let Some(descriptor) = &self.input.descriptor else {
            // Nothing reads it: it is taken, and goes nowhere.
            let count = self.input.waiting.len();
            self.input.waiting.clear();
            told(line, self.id, count);
            return;
        };
        let mut total = 0;
        let mut broken = false;
        while !self.input.waiting.is_empty() {
            let (front, _) = self.input.waiting.as_slices();
            match write(descriptor, front) {
                Ok(count) => {
                    self.input.waiting.drain(..count);
                    total += count;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        told(line, self.id, total);
        if broken || (self.input.ends && self.input.waiting.is_empty()) {
            self.input.descriptor = None;
        }
        if broken {
            self.write(line);
        }
    }

    /// Returns the exit status if the process has ended and all of its output is queued; otherwise
    /// `None`.
    pub fn is_over(&self) -> Option<Exit> {
        self.exit.filter(|_| self.outputs.is_empty())
    }
}

/// Gives back window for input that was taken.
fn told(line: &mut Line, id: ProcessId, count: usize) {
    if count > 0 {
        let bytes = u32::try_from(count).unwrap_or(u32::MAX);
        line.tell(&FromInit::Taken { id, bytes });
    }
}

fn unblocked(descriptor: &OwnedFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL)?);
    fcntl(descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

#[cfg(test)]
mod tests;
