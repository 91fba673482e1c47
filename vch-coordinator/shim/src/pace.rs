//! Limits a rate by a budget that fills with time. Does no I/O: the caller passes the time.

use std::time::{Duration, Instant};

/// A budget of units that fills with time. A full budget holds the units of one second.
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
    /// Returns a full budget that fills by `per_second` units a second.
    pub fn new(per_second: u32, now: Instant) -> Self {
        let unit = Duration::from_secs(1) / per_second.max(1);
        let burst = unit * per_second;
        Self {
            unit,
            burst,
            paid: now.checked_sub(burst).unwrap_or(now),
        }
    }

    /// Takes `cost` units from the budget, and returns how long the caller must wait before it
    /// takes more.
    pub fn spend(&mut self, cost: u32, now: Instant) -> Duration {
        let earliest = now.checked_sub(self.burst).unwrap_or(self.paid);
        self.paid = self.paid.max(earliest) + self.unit * cost;
        self.paid.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests;
