//! Converts the wait status of a process into an exit code.

use nix::sys::wait::WaitStatus;

/// Returns the exit code of a process as shells have it: its own, or 128 plus the number of the signal that ended it.
pub fn exit_code(status: WaitStatus) -> u8 {
    let code = match status {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        _ => 0,
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
