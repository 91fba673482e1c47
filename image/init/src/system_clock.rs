//! Reads, sets and slews the guest's own clocks.

use nix::{
    errno::Errno,
    libc,
    sys::time::TimeSpec,
    time::{ClockId, clock_gettime, clock_settime},
};
use std::time::Duration;

/// Returns the guest's time in milliseconds since 1970 (UTC).
pub fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// Returns the time since the guest booted, in microseconds.
pub fn uptime_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}

/// Sets the guest's time to this many milliseconds since 1970 (UTC). A failure is logged.
pub fn set(now_ms: u64) {
    let now = TimeSpec::from_duration(Duration::from_millis(now_ms));
    if let Err(error) = clock_settime(ClockId::CLOCK_REALTIME, now) {
        eprintln!("init: the clock is not set: {error}");
    }
}

/// Makes the guest's clock run faster or slower by 500 parts in a million, until it has gained this
/// many milliseconds, or lost them if the number is negative (adjtime(3)). A failure is logged.
#[expect(unsafe_code, reason = "adjtime(3) has no safe wrapper in nix")]
pub fn slew(offset_ms: i64) {
    let delta = libc::timeval {
        tv_sec: offset_ms / 1000,
        tv_usec: offset_ms % 1000 * 1000,
    };
    // SAFETY: the kernel reads one timeval and does not write to it.
    let done = unsafe { libc::adjtime(&raw const delta, std::ptr::null_mut()) };
    if let Err(error) = Errno::result(done) {
        eprintln!("init: the clock is not slewed: {error}");
    }
}
