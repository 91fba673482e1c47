//! Signals by number and name (signal(7)).

use super::workload::Workload;
use nix::sys::signal::Signal;

/// SIGTERM.
const TERMINATE: u8 = 15;
/// SIGRTMIN to SIGRTMAX as C libraries count them: the libraries use the two signals below for
/// their threads.
const REAL_TIME: std::ops::RangeInclusive<u8> = 34..=64;
/// How many real-time signals are named relative to `RTMIN` and to `RTMAX`, as by kill(1).
const FROM_LEAST: u8 = 15;
const FROM_MOST: u8 = 14;

/// Returns the number of the signal that stops a container: SIGTERM if the container names no
/// signal, or an unknown one.
pub fn stop_signal(workload: &Workload) -> u8 {
    let named = workload.stop_signal.as_deref();
    named.and_then(signal_number).unwrap_or(TERMINATE)
}

/// Parses a signal as `docker kill --signal` takes it: a number, or a name with or without `SIG`,
/// in any case. Returns its number, 1 to 64; `None` if the signal is unknown.
pub fn signal_number(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=*REAL_TIME.end()).contains(&number).then_some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if let Some(number) = real_time(name) {
        return Some(number);
    }
    let name = match name {
        // Older names of the same signals, which Docker also accepts.
        "CLD" => "CHLD",
        "IOT" => "ABRT",
        "POLL" => "IO",
        name => name,
    };
    let signal: Signal = format!("SIG{name}").parse().ok()?;
    u8::try_from(signal as i32).ok()
}

/// Returns the number of a real-time signal: `RTMIN`, `RTMIN+1` to `RTMIN+15`, `RTMAX-14` to
/// `RTMAX-1`, or `RTMAX`.
fn real_time(name: &str) -> Option<u8> {
    let (least, most) = REAL_TIME.into_inner();
    let beyond = |text: &str, limit: u8| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number: u8 = text.parse().ok().filter(|_| digits)?;
        (1..=limit).contains(&number).then_some(number)
    };
    match name {
        "RTMIN" => Some(least),
        "RTMAX" => Some(most),
        name => match name.strip_prefix("RTMIN+") {
            Some(above) => Some(least + beyond(above, FROM_LEAST)?),
            None => Some(most - beyond(name.strip_prefix("RTMAX-")?, FROM_MOST)?),
        },
    }
}

#[cfg(test)]
mod tests;
