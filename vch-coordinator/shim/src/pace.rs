//! Limits the rate of something by a budget that fills with time. Pure: the caller passes the time.

use std::time::{Duration, Instant};

/// A budget of units, with a burst at the start and after a pause.
#[derive(Debug)]
pub struct Pace {
    /// The time that one unit takes.
    unit: Duration,
    /// The time that a burst takes.
    burst: Duration,
    /// The time by which the budget will have made up for all that was spent.
    paid: Instant,
}

impl Pace {
    /// Makes a budget of `per_second` units a second, and as many at once after a second's pause.
    pub fn new(per_second: u32, now: Instant) -> Self {
        let unit = Duration::from_secs(1) / per_second.max(1);
        let burst = unit * per_second;
        Self {
            unit,
            burst,
            paid: now.checked_sub(burst).unwrap_or(now),
        }
    }

    /// Spends `cost` units; returns how long to wait before more may be spent.
    pub fn spend(&mut self, cost: u32, now: Instant) -> Duration {
        let earliest = now.checked_sub(self.burst).unwrap_or(self.paid);
        self.paid = self.paid.max(earliest) + self.unit * cost;
        self.paid.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests;
