//! Makes pseudo-terminals in the container's own devpts.

#![expect(
    unsafe_code,
    reason = "terminal ioctls (ioctl_tty(2)) have no safe wrapper in nix"
)]

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    mount::{MsFlags, mount},
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::stat::Mode,
    unistd::setsid,
};
use protocol::process::TerminalSize;
use std::{
    fs::File,
    os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd},
    path::Path,
};

nix::ioctl_write_ptr_bad!(set_size, libc::TIOCSWINSZ, libc::winsize);
nix::ioctl_write_int_bad!(set_controlling, libc::TIOCSCTTY);

/// Sets the size of a terminal. Does nothing if the terminal is closed.
pub fn resize(terminal: &OwnedFd, size: TerminalSize) {
    let size = libc::winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the descriptor is open and the kernel reads one winsize.
    let _ = unsafe { set_size(terminal.as_raw_fd(), &raw const size) };
}

/// Makes a pseudo-terminal. Returns init's end, the process's end, and the path of the process's
/// end.
///
/// # Errors
/// Returns the kernel's error if no devpts is mounted, or if no terminal is left.
pub fn new() -> Result<(OwnedFd, OwnedFd, String), Errno> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname_r(&master)?;
    let slave = open(&*name, flags, Mode::empty())?;
    // SAFETY: the descriptor is open, and its owner has given it up.
    let master = unsafe { OwnedFd::from_raw_fd(master.into_raw_fd()) };
    Ok((master, slave, name))
}

/// Begins a new session, and makes the terminal the controlling terminal of the calling process.
///
/// # Errors
/// Returns EPERM if the process already leads a process group, or if the terminal belongs to
/// another session.
pub fn control(slave: &OwnedFd) -> Result<(), Errno> {
    setsid()?;
    // SAFETY: the descriptor is open and the argument is a number.
    unsafe { set_controlling(slave.as_raw_fd(), 0) }.map(drop)
}

/// Makes the terminal at this path the container's /dev/console, unless the container has one
/// already. Only its first process gets one.
pub fn make_console(terminal: &str) {
    let path = "/dev/console";
    if !Path::new(path).exists() && File::create(path).is_ok() {
        // Without one the container has no console: as without a terminal.
        let none: Option<&str> = None;
        let _ = mount(Some(terminal), path, none, MsFlags::MS_BIND, none);
    }
}

#[cfg(test)]
mod tests;
