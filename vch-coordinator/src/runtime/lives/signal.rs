//! Signals by number and name (signal(7)).

use super::Looked;
use nix::sys::signal::Signal;

/// SIGKILL.
pub const KILL: u8 = 9;
/// SIGTERM.
const TERMINATE: u8 = 15;

/// The signal that stops a container: SIGTERM where it names none, or none that there is.
pub fn stop_signal(looked: &Looked) -> u8 {
    let named = looked.workload.stop_signal.as_deref();
    named.and_then(signal_number).unwrap_or(TERMINATE)
}

/// The number of a signal, given by number or by name, with or without `SIG`.
pub fn signal_number(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number).then_some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let signal: Signal = format!("SIG{name}").parse().ok()?;
    u8::try_from(signal as i32).ok()
}
