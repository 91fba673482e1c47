//! Keeps inherited file descriptors from being passed on to other programs.

#![expect(
    unsafe_code,
    reason = "close_range(2) has no safe interface at hand; it closes nothing here"
)]

use nix::{errno::Errno, libc};
use std::io;

/// Behind standard input, output and error.
const FIRST: libc::c_uint = 3;

/// Sets `FD_CLOEXEC` on all open descriptors except standard input, output and error, so that a program that this
/// process executes later does not inherit them. May be called between fork and exec.
///
/// # Errors
/// Returns `EINVAL` or `ENOSYS` if the kernel is older than Linux 5.11, which has `CLOSE_RANGE_CLOEXEC`.
pub fn close_at_exec() -> io::Result<()> {
    let flags = libc::c_int::try_from(libc::CLOSE_RANGE_CLOEXEC).unwrap_or_default();
    // SAFETY: the call sets a flag of descriptors and closes no descriptor.
    let set = unsafe { libc::close_range(FIRST, libc::c_uint::MAX, flags) };
    Errno::result(set)?;
    Ok(())
}

#[cfg(test)]
mod tests;
