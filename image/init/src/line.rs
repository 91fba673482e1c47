//! The line to the shim: frames on a virtserialport.

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
    process::{FromInit, PORT, ToInit},
};
use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The port is there as soon as its driver has looked.
const APPEARS: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Output waits in its pipes while so much is to be sent.
const ENOUGH: usize = 512 << 10;
const CHUNK: usize = 64 << 10;

/// The line, and what waits to be sent over it.
pub struct Line {
    device: OwnedFd,
    decoder: Decoder,
    nonce: SessionNonce,
    out: Vec<u8>,
    sent: usize,
}

impl Line {
    /// Opens the port.
    ///
    /// # Errors
    /// The VM has none of that name.
    pub fn open() -> io::Result<Self> {
        let end = Instant::now() + APPEARS;
        let path = loop {
            if let Some(path) = device()? {
                break path;
            }
            if Instant::now() > end {
                let reason = format!("the VM has no virtserialport {PORT}");
                return Err(io::Error::new(io::ErrorKind::NotFound, reason));
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "sysfs tells nobody of a new device"
            )]
            thread::sleep(LOOK_AGAIN);
        };
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        Ok(Self {
            device: open(&path, flags, Mode::empty())?,
            decoder: Decoder::new(),
            nonce: SessionNonce::NONE,
            out: Vec::new(),
            sent: 0,
        })
    }

    /// What to wait for.
    pub fn poll(&self) -> PollFd<'_> {
        let mut flags = PollFlags::POLLIN;
        if !self.out.is_empty() {
            flags |= PollFlags::POLLOUT;
        }
        PollFd::new(self.device.as_fd(), flags)
    }

    /// Whether more output should wait.
    pub fn is_full(&self) -> bool {
        self.out.len() - self.sent > ENOUGH
    }

    /// Queues a message.
    pub fn tell(&mut self, message: &FromInit) {
        let Ok(payload) = message.encode() else {
            eprintln!("init: a message is too long and is not sent");
            return;
        };
        // At most as long as a payload may be.
        let _ = frame::encode(self.nonce, &payload, &mut self.out);
    }

    /// Sends what the line takes.
    ///
    /// # Errors
    /// The line is broken.
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

    /// What has come. A life's first message brings its mark, which all others bear.
    ///
    /// # Errors
    /// The line is broken.
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

/// Without udev there is no `/dev/virtio-ports`: the device is found by what sysfs says.
fn device() -> io::Result<Option<PathBuf>> {
    let ports = match fs::read_dir("/sys/class/virtio-ports") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    for port in ports {
        let port = port?;
        let name = fs::read_to_string(port.path().join("name")).unwrap_or_default();
        if name.trim_end() == PORT {
            return Ok(Some(Path::new("/dev").join(port.file_name())));
        }
    }
    Ok(None)
}
