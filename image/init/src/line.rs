//! The line: the connection to the shim, the process on the host that runs this VM. It carries
//! frames on a virtserialport.

use crate::{sysfs, system_clock};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    poll::{PollFd, PollFlags},
    sys::stat::Mode,
    unistd::{read, write},
};
use protocol::{
    frame::{self, Decoder},
    message::{Message, SessionNonce},
    process::{FromInit, PORT, Phase, ToInit},
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

/// Output waits in its pipes while so much is to be sent.
const ENOUGH: usize = 512 << 10;
const CHUNK: usize = 64 << 10;

/// The connection to the shim on the host, and the bytes that wait to be sent.
pub struct Line {
    device: OwnedFd,
    decoder: Decoder,
    nonce: SessionNonce,
    out: Vec<u8>,
    sent: usize,
}

impl Line {
    /// Waits for the virtserialport `vch.process`, and opens it.
    ///
    /// # Errors
    /// Returns `NotFound` if the VM has no port of that name within ten seconds.
    pub fn open() -> io::Result<Self> {
        let path = sysfs::port(PORT).wait()?;
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        Ok(Self::over(open(&path, flags, Mode::empty())?))
    }

    /// Returns a line over an open device in non-blocking mode.
    pub fn over(device: OwnedFd) -> Self {
        Self {
            device,
            decoder: Decoder::new(),
            nonce: SessionNonce::NONE,
            out: Vec::new(),
            sent: 0,
        }
    }

    /// Returns the descriptor with the events to poll for.
    pub fn poll(&self) -> PollFd<'_> {
        let mut flags = PollFlags::POLLIN;
        if !self.out.is_empty() {
            flags |= PollFlags::POLLOUT;
        }
        PollFd::new(self.device.as_fd(), flags)
    }

    /// Returns whether so much is queued that further output should wait.
    pub fn is_full(&self) -> bool {
        self.out.len() - self.sent > ENOUGH
    }

    /// Queues the message that a phase of the container's start has ended now.
    pub fn tell_phase(&mut self, phase: Phase) {
        let uptime_us = system_clock::uptime_us();
        self.tell(&FromInit::Phase { phase, uptime_us });
    }

    /// Queues a message to the shim. Drops and logs a message that is too long.
    pub fn tell(&mut self, message: &FromInit) {
        let Ok(payload) = message.encode() else {
            eprintln!("init: a message is too long and is not sent");
            return;
        };
        // At most as long as a payload may be.
        let _ = frame::encode(self.nonce, &payload, &mut self.out);
    }

    /// Sends as much of the queue as the line takes now. Does not wait.
    ///
    /// # Errors
    /// Returns the system's error if the line is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            match write(&self.device, &self.out[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.out.clear();
        self.out.shrink_to(CHUNK);
        self.sent = 0;
        Ok(())
    }

    /// Returns the messages that have arrived. Does not wait. The message `Hello` begins a run and
    /// sets the nonce that marks its messages; messages of another run are dropped.
    ///
    /// # Errors
    /// Returns the system's error if the line is broken.
    pub fn receive(&mut self) -> io::Result<Vec<ToInit>> {
        let mut messages = Vec::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = match read(&self.device, &mut buffer) {
                // Nobody is at the other end.
                Ok(0) | Err(Errno::EAGAIN) => return Ok(messages),
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut input = &buffer[..count];
            while let Some(frame) = self.decoder.next(&mut input) {
                let Ok(frame) = frame else {
                    continue;
                };
                match ToInit::decode(&frame.payload) {
                    Ok(hello @ ToInit::Hello { .. }) => {
                        self.nonce = frame.nonce;
                        messages.push(hello);
                    }
                    Ok(message) if frame.nonce == self.nonce => messages.push(message),
                    // Of an earlier life, or of another release.
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
