//! Bounds the lines of the log that guests cause.

use protocol::session::Budget;
use std::time::{Duration, Instant};
use vch_log::LogBudget;

/// Lines at once: what an agent may send of its own log, twice.
const BURST: u32 = 200;
/// The time in which one more becomes free: some 20 MB a day.
const EVERY: Duration = Duration::from_secs(1);

/// The lines of all guests together.
static GUESTS: LogBudget = LogBudget::new("guests", 2_000, Duration::from_millis(50));

/// Bounds the lines that one guest or listener causes, since a guest may send anything at any pace.
pub(super) struct GuestLog {
    budget: Budget,
    left_out: u64,
}

impl GuestLog {
    pub(super) fn new() -> Self {
        Self {
            budget: Budget::new(BURST, EVERY),
            left_out: 0,
        }
    }

    /// Returns whether one more line may be written. Before the first line after a flood, logs how
    /// many were left out.
    pub(super) fn line(&mut self) -> bool {
        if !self.budget.take(Instant::now()) || !GUESTS.line() {
            self.left_out += 1;
            return false;
        }
        if self.left_out > 0 {
            tracing::warn!(lines = self.left_out, "left out: a guest caused too many");
            self.left_out = 0;
        }
        true
    }
}
