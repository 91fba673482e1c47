//! Limits the pace at which one agent's reports are written to the store: a guest may report anything at any pace, and
//! each written report costs a transaction on disk.

use protocol::{message::Report, session::Budget};
use std::time::{Duration, Instant};

/// Reports that are written at once: a start and a few changes of its networks.
const BURST: u32 = 10;
/// The time in which one more may be.
const EVERY: Duration = Duration::from_secs(1);

/// The reports of one guest that are being written or wait. The newest wins: a report that waits is
/// replaced by a newer one.
#[derive(Debug)]
pub(super) struct Reports {
    budget: Budget,
    waiting: Option<Report>,
    /// The last of this session that is durable, or need not be.
    durable: u64,
}

impl Reports {
    /// Makes the limit as it is at the beginning: the agent has reported nothing yet.
    pub fn new() -> Self {
        Self {
            budget: Budget::new(BURST, EVERY),
            waiting: None,
            durable: 0,
        }
    }

    /// Begins a new session, in which the agent numbers its reports from the beginning.
    pub fn begin_session(&mut self) {
        self.waiting = None;
        self.durable = 0;
    }

    /// Takes a received report. Returns it if it must be written now; `None` if it waits, or equals `kept`, the last
    /// stored report.
    pub fn take(&mut self, report: Report, kept: Option<&Report>, now: Instant) -> Option<Report> {
        if kept.is_some_and(|kept| says_the_same(kept, &report)) {
            self.waiting = None;
            self.durable = report.sequence;
            return None;
        }
        if self.budget.take(now) {
            self.waiting = None;
            return Some(report);
        }
        self.waiting = Some(report);
        None
    }

    /// Returns the time from which the waiting report may be written; `None` if no report waits.
    pub fn due(&self) -> Option<Instant> {
        self.waiting.as_ref()?;
        self.budget.next()
    }

    /// Returns the waiting report if it may be written at `now`; `None` otherwise.
    pub fn take_due(&mut self, now: Instant) -> Option<Report> {
        let due = self.due().is_some_and(|due| due <= now);
        if due && self.budget.take(now) {
            return self.waiting.take();
        }
        None
    }

    /// Notes that the report with this number is on disk, or that it was dropped for good.
    pub fn settled(&mut self, sequence: u64) {
        self.durable = self.durable.max(sequence);
    }

    /// Returns the number up to which reports may be acknowledged to the agent, given that those up to `seen` were
    /// received. A waiting report is not acknowledged.
    pub fn acknowledged(&self, seen: u64) -> u64 {
        seen.min(self.durable)
    }
}

fn says_the_same(one: &Report, other: &Report) -> bool {
    one.spec == other.spec && one.interfaces == other.interfaces && one.failures == other.failures
}

#[cfg(test)]
mod tests;
