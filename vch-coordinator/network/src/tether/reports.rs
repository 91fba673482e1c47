//! The pace at which one guest's reports are written: a guest may report anything at any pace, and each
//! report that is written costs a commit of the one store.

use protocol::{message::Report, session::Budget};
use std::time::{Duration, Instant};

/// Reports that are written at once: a start and a few changes of its networks.
const BURST: u32 = 10;
/// The time in which one more may be.
const EVERY: Duration = Duration::from_secs(1);

/// The reports of one guest. The newest wins: one that waits gives way to one that comes.
#[derive(Debug)]
pub(super) struct Reports {
    budget: Budget,
    waiting: Option<Report>,
    /// The last of this session that is durable, or need not be.
    durable: u64,
}

impl Reports {
    pub fn new() -> Self {
        Self {
            budget: Budget::new(BURST, EVERY),
            waiting: None,
            durable: 0,
        }
    }

    /// A session counts its reports anew.
    pub fn begin_session(&mut self) {
        self.waiting = None;
        self.durable = 0;
    }

    /// Takes a report, and gives back what is to be written now. One that says what `kept` says is not
    /// written again.
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

    /// When the one that waits may be written.
    pub fn due(&self) -> Option<Instant> {
        self.waiting.as_ref()?;
        self.budget.next()
    }

    /// The one that waited, when its time has come.
    pub fn late(&mut self, now: Instant) -> Option<Report> {
        let due = self.due().is_some_and(|due| due <= now);
        if due && self.budget.take(now) {
            return self.waiting.take();
        }
        None
    }

    /// A report is durable, or was dropped for good.
    pub fn settled(&mut self, sequence: u64) {
        self.durable = self.durable.max(sequence);
    }

    /// Which report the agent may be told to have been seen: not one that waits.
    pub fn acknowledged(&self, seen: u64) -> u64 {
        seen.min(self.durable)
    }
}

fn says_the_same(one: &Report, other: &Report) -> bool {
    one.spec == other.spec && one.interfaces == other.interfaces && one.failures == other.failures
}

#[cfg(test)]
mod tests;
