//! Pseudo-terminals, from the container's own devpts.

#![expect(
    unsafe_code,
    reason = "terminal ioctls (ioctl_tty(2)) have no safe wrapper in nix"
)]

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::stat::Mode,
    unistd::setsid,
};
use protocol::process::TerminalSize;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

nix::ioctl_write_ptr_bad!(set_size, libc::TIOCSWINSZ, libc::winsize);
nix::ioctl_write_int_bad!(set_controlling, libc::TIOCSCTTY);

/// Gives a terminal a size.
pub fn resize(terminal: &OwnedFd, size: TerminalSize) {
    let size = libc::winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the descriptor is open and the kernel reads one winsize. One that is gone has no size.
    let _ = unsafe { set_size(terminal.as_raw_fd(), &raw const size) };
}

/// A new terminal: our end, its end, and the name of that.
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

/// Makes a terminal the controlling one of the calling process, which begins a session.
pub fn control(slave: &OwnedFd) -> Result<(), Errno> {
    setsid()?;
    // SAFETY: the descriptor is open and the argument is a number.
    unsafe { set_controlling(slave.as_raw_fd(), 0) }.map(drop)
}
