//! Growing pauses between tries.

use std::time::Duration;

/// Pauses that double from `shortest` to `longest`. Each is shortened at random by up to a half, so
/// that many peers that failed together do not try again together.
#[derive(Debug)]
pub(super) struct Backoff {
    shortest: Duration,
    longest: Duration,
    tries: u32,
}

impl Backoff {
    pub(super) fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest,
            tries: 0,
        }
    }

    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }

    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    pub(super) fn pause(&mut self, random: u64) -> Duration {
        // Twenty doublings of a millisecond are over a quarter of an hour: no bound is beyond that.
        let doubled = self.shortest.saturating_mul(1 << self.tries.min(20));
        self.tries = self.tries.saturating_add(1);
        shortened(doubled.min(self.longest), random)
    }
}

fn shortened(pause: Duration, random: u64) -> Duration {
    let half = pause / 2;
    let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(random % spread.saturating_add(1))
}
