//! Closes the descriptors that a child inherits from init.

use crate::start_error::{StartError, failed};
use nix::{errno::Errno, libc};
use std::os::fd::RawFd;

/// Closes all descriptors of the calling process except standard input, output and error, and those
/// in `keep`.
///
/// # Errors
/// Returns [`Fault::Other`](protocol::process::Fault::Other) if the kernel has no close_range(2).
pub fn close_others(keep: &[RawFd]) -> Result<(), StartError> {
    for (first, last) in gaps(keep) {
        close_range(first, last).map_err(failed("close init's descriptors"))?;
    }
    Ok(())
}

/// Returns the numbers from 3 on between those in `keep`: first and last of each run.
fn gaps(keep: &[RawFd]) -> Vec<(u32, u32)> {
    let mut kept: Vec<u32> = keep
        .iter()
        .filter_map(|number| u32::try_from(*number).ok())
        .filter(|number| *number > 2)
        .collect();
    kept.sort_unstable();
    let mut first = 3;
    let mut gaps = Vec::new();
    for number in kept {
        if number > first {
            gaps.push((first, number - 1));
        }
        first = number + 1;
    }
    gaps.push((first, u32::MAX));
    gaps
}

#[expect(
    unsafe_code,
    reason = "close_range(2) has no safe wrapper in nix: what is closed must have no owner that uses it"
)]
fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: this is a child between fork and exec, and it uses no owner of what is closed: all of them are init's.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Errno::result(done).map(drop)
}

#[cfg(test)]
mod tests;
