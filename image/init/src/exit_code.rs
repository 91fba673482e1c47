//! Converts the status of a process that has ended into an exit code.

use nix::sys::wait::WaitStatus;

/// Returns the exit code that shells give for a status: for a process that a signal ended, 128 and the signal's
/// number.
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
