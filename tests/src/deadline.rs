//! Waiting for a condition: the only module of the project's tests that sleeps.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Short against what is waited for (a link, a boot), long against what a probe costs.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `holds` returns true. Calls it at once and then every few milliseconds, at least once even if `within`
/// is zero.
///
/// # Errors
/// Returns an error that names `what` and the time if it does not hold in time.
pub fn eventually(within: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    eventually_some(within, what, || holds().then_some(()))
}

/// Waits until `probe` returns a value, and returns that value. Calls it at once and then every few milliseconds, at
/// least once even if `within` is zero.
///
/// # Errors
/// Returns an error that names `what` and the time if no value is returned in time.
pub fn eventually_some<T>(
    within: Duration,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + within;
    loop {
        if let Some(value) = probe() {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("not within {within:?}: {what}");
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one pause between two looks at a condition"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}

/// Returns whether something can be read from a descriptor, now or within a moment: for threads that must end when
/// they are told.
pub(crate) fn readable(descriptor: impl AsFd) -> bool {
    /// Milliseconds.
    const MOMENT: u16 = 50;
    let mut waiting = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut waiting, PollTimeout::from(MOMENT)), Ok(1..))
}
