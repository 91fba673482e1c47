//! How a process ended, as a number.

use nix::sys::wait::WaitStatus;

/// Returns the exit code that shells give a status: 128 and the signal's number for a process that a signal ended.
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
