//! Limits the lines of the log that clients or guests can cause.

use parking_lot::Mutex;
use protocol::session::Budget;
use std::time::{Duration, Instant};

/// A rate limit for log lines of one kind, shared by the whole coordinator: a burst at once, then one line in each
/// interval. It does not write the lines: the caller asks [`LogBudget::line`] before it writes each of them.
#[derive(Debug)]
pub struct LogBudget {
    /// The cause of the lines, as a phrase for the line about those left out.
    whose: &'static str,
    burst: u32,
    every: Duration,
    state: Mutex<BudgetState>,
}

#[derive(Debug)]
struct BudgetState {
    budget: Option<Budget>,
    left_out: u64,
}

impl LogBudget {
    /// Creates a limit of `burst` lines at once, plus one more each time `every` has passed; unused ones add up to
    /// `burst` at most. `whose` is the cause of the lines as a phrase, such as "guests", for the line about suppressed
    /// ones.
    pub const fn new(whose: &'static str, burst: u32, every: Duration) -> Self {
        Self {
            whose,
            burst,
            every,
            state: Mutex::new(BudgetState {
                budget: None,
                left_out: 0,
            }),
        }
    }

    /// Returns whether the caller may write one more line now, and counts it if so; `false` if it must be suppressed.
    /// If lines were suppressed since the last one that was allowed, the call that allows the next one first logs their
    /// number as a warning.
    pub fn line(&self) -> bool {
        match self.take(Instant::now()) {
            None => false,
            Some(0) => true,
            Some(lines) => {
                tracing::warn!(lines, whose = self.whose, "left out: too many at once");
                true
            }
        }
    }

    /// Returns how many lines were left out before this one; `None` if this one is left out too.
    fn take(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        let fresh = || Budget::new(self.burst, self.every);
        if !state.budget.get_or_insert_with(fresh).take(now) {
            state.left_out += 1;
            return None;
        }
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests;
