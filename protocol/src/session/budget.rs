//! Limits the rate of an event.

use std::time::{Duration, Instant};

/// A rate limit for events, such as log lines: a token bucket that allows a burst at once, and then
/// one event in each interval.
#[derive(Debug)]
pub struct Budget {
    burst: u32,
    every: Duration,
    left: u32,
    filled: Option<Instant>,
}

impl Budget {
    /// Creates a limit of `burst` events at once, plus one more each time `every` has passed; unused ones add up to
    /// `burst` at most. `every` must not be zero.
    #[must_use]
    pub fn new(burst: u32, every: Duration) -> Self {
        Self {
            burst,
            every,
            left: burst,
            filled: None,
        }
    }

    /// Returns whether one more event is allowed at `now`. If so, the event is counted; otherwise nothing changes.
    pub fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let any = self.left > 0;
        self.left = self.left.saturating_sub(1);
        any
    }

    /// Returns the time from which one more event is allowed. It is meaningful after [`Budget::take`] has returned
    /// false; before the first call of `take` it is `None`.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.filled.map(|filled| filled + self.every)
    }

    fn fill(&mut self, now: Instant) {
        let filled = *self.filled.get_or_insert(now);
        let elapsed = now.saturating_duration_since(filled);
        let gained = elapsed.as_nanos() / self.every.as_nanos().max(1);
        if gained >= u128::from(self.burst - self.left) {
            self.left = self.burst;
            self.filled = Some(now);
            return;
        }
        // Less than the burst, which is a u32.
        let gained = u32::try_from(gained).unwrap_or(self.burst);
        self.left += gained;
        self.filled = Some(filled + self.every * gained);
    }
}
