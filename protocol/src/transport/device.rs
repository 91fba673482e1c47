//! Opens character devices as channels: a UART, a virtserialport.

use super::{ChannelStream, OpenError, watch};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, BaudRate, ControlFlags, SetArg, SpecialCharacterIndices};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How often a virtserialport is looked at until the host's side of it is connected.
const HOST_POLL: Duration = Duration::from_millis(100);
const VIRTIO_PORTS: &str = "/sys/class/virtio-ports";

/// Opens a UART: raw, at 115,200 baud, without regard to modem lines.
///
/// # Errors
/// Returns [`OpenError`] if the device can't be opened or set up.
pub(super) fn open_serial(path: &Path) -> Result<ChannelStream, OpenError> {
    let file = open(path)?;
    make_raw(&file).map_err(OpenError::refused("make raw", path.display()))?;
    stream(file, path)
}

fn make_raw(file: &File) -> io::Result<()> {
    let mut settings = termios::tcgetattr(file)?;
    termios::cfmakeraw(&mut settings);
    settings.control_flags |= ControlFlags::CLOCAL | ControlFlags::CREAD;
    settings.control_flags &= !ControlFlags::CRTSCTS;
    settings.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    settings.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    // Not by cfsetspeed(3): the libc crate asks for a version of it that a static glibc lacks.
    settings.control_flags &= !ControlFlags::CBAUD;
    settings.control_flags |= ControlFlags::from_bits_retain(BaudRate::B115200 as u32);
    termios::tcsetattr(file, SetArg::TCSANOW, &settings)?;
    Ok(())
}

/// Opens the virtserialport named `name` once the host's side of it is connected.
///
/// A port without a host gives an end of file at once (`port_fops_read` of the kernel's
/// virtio_console.c), so the opened port is polled until its host side is connected.
///
/// # Errors
/// Returns [`OpenError`] if no port has that name, or it can't be opened.
pub(super) async fn open_virtio(name: &str) -> Result<ChannelStream, OpenError> {
    let path = find_port(Path::new(VIRTIO_PORTS), name)?;
    let file = open(&path)?;
    while hung_up(&file).map_err(OpenError::refused("poll", path.display()))? {
        tokio::time::sleep(HOST_POLL).await;
    }
    stream(file, &path)
}

fn hung_up(file: &File) -> io::Result<bool> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO)?;
    let [fd] = fds;
    Ok(fd.revents().is_some_and(|r| r.contains(PollFlags::POLLHUP)))
}

/// Returns the device of the port whose `name` file under `ports` contains `name`: without udev, no
/// other file tells.
fn find_port(ports: &Path, name: &str) -> Result<PathBuf, OpenError> {
    let absent = || OpenError::NoSuchPort(name.to_owned());
    for port in std::fs::read_dir(ports).map_err(|_| absent())?.flatten() {
        let found = std::fs::read_to_string(port.path().join("name"));
        if found.is_ok_and(|found| found.trim_end_matches('\n') == name) {
            return Ok(Path::new("/dev").join(port.file_name()));
        }
    }
    Err(absent())
}

fn open(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path)
        .map_err(OpenError::refused("open", path.display()))
}

fn stream(file: File, path: &Path) -> Result<ChannelStream, OpenError> {
    let device = watch(file).map_err(OpenError::refused("watch", path.display()))?;
    Ok(Box::new(DeviceStream(device)))
}

/// A device opened non-blocking.
struct DeviceStream(AsyncFd<File>);

impl AsyncRead for DeviceStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            let hung_up = guard.ready().is_read_closed();
            match guard.try_io(|fd| fd.get_ref().read(buffer.initialize_unfilled())) {
                Ok(Ok(read)) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                // The runtime remembers a hang-up for ever: waiting on would spin.
                Err(_) if hung_up => return Poll::Ready(Ok(())),
                Err(_) => {}
            }
        }
    }
}

impl AsyncWrite for DeviceStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_write_ready(cx))?;
            let hung_up = guard.ready().is_write_closed();
            match guard.try_io(|fd| fd.get_ref().write(bytes)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return Poll::Ready(result),
                Err(_) if hung_up => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Err(_) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
