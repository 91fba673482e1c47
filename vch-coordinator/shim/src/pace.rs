//! How fast something may come: a budget that fills with time. Pure: the caller says what time it is.

use std::time::{Duration, Instant};

/// Costs a number of units a second, with a burst at the start and after a pause.
#[derive(Debug)]
pub struct Pace {
    /// The time that one unit takes.
    unit: Duration,
    /// The time that a burst takes.
    burst: Duration,
    /// When all that was spent is paid for.
    paid: Instant,
}

impl Pace {
    /// `per_second` units a second, and as many at once after a second's pause.
    pub fn new(per_second: u32, now: Instant) -> Self {
        let unit = Duration::from_secs(1) / per_second.max(1);
        let burst = unit * per_second;
        Self {
            unit,
            burst,
            paid: now.checked_sub(burst).unwrap_or(now),
        }
    }

    /// Spends `cost` units, and tells how long to wait before anything more is taken.
    pub fn spend(&mut self, cost: u32, now: Instant) -> Duration {
        let earliest = now.checked_sub(self.burst).unwrap_or(self.paid);
        self.paid = self.paid.max(earliest) + self.unit * cost;
        self.paid.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::{Duration, Instant};

    #[test]
    fn a_burst_is_free_and_what_comes_after_it_waits() {
        let now = Instant::now();
        let mut pace = Pace::new(100, now);
        assert_eq!(pace.spend(100, now), Duration::ZERO);
        assert_eq!(pace.spend(1, now), Duration::from_millis(10));
        assert_eq!(pace.spend(9, now), Duration::from_millis(100));
    }

    #[test]
    fn what_was_spent_is_paid_for_by_time_and_no_more_than_a_burst_is_saved() {
        let now = Instant::now();
        let mut pace = Pace::new(100, now);
        assert_eq!(pace.spend(150, now), Duration::from_millis(500));
        let later = now + Duration::from_millis(500);
        assert_eq!(pace.spend(0, later), Duration::ZERO);
        let hours_later = later + Duration::from_secs(7200);
        assert_eq!(pace.spend(100, hours_later), Duration::ZERO);
        assert_eq!(pace.spend(1, hours_later), Duration::from_millis(10));
    }
}
