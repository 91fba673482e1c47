//! Sends and receives signals by their numbers, including real-time signals (signal(7)), which nix's enumeration does
//! not have.

#![expect(
    unsafe_code,
    reason = "kill(2) and sigwaitinfo(2) by number, and alarm(2), have no safe wrapper in nix"
)]

use nix::{errno::Errno, libc, sys::signal::SigSet, unistd::Pid};

/// The last real-time signal of Linux.
const LAST: i32 = 64;

/// Sends the signal with this number to a process.
///
/// # Errors
/// Returns EINVAL if no signal has that number, ESRCH if no process has that ID.
pub fn send(pid: Pid, number: i32) -> Result<(), Errno> {
    if !(1..=LAST).contains(&number) {
        return Err(Errno::EINVAL);
    }
    // SAFETY: no pointers.
    Errno::result(unsafe { libc::kill(pid.as_raw(), number) }).map(drop)
}

/// Lets the kernel end this process by SIGALRM after this many seconds.
pub fn end_after(seconds: u32) {
    // SAFETY: no pointers, and this program handles no SIGALRM.
    let _ = unsafe { libc::alarm(seconds) };
}

/// Waits for the next signal of any kind and returns its number. All signals must be blocked.
pub fn wait_for_any() -> i32 {
    let all = SigSet::all();
    loop {
        // SAFETY: the set lives through the call; nothing is told of the signal but its number.
        let number = unsafe { libc::sigwaitinfo(all.as_ref(), std::ptr::null_mut()) };
        if number > 0 {
            return number;
        }
    }
}

#[cfg(test)]
mod tests;
