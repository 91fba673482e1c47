//! What the writer counts.

use super::StoreError;
use std::time::Duration;
use vch_metrics::{Counter, Description, Histogram, RegisterError, Registry};

/// Upper bounds of buckets, in seconds: an NVMe disk makes a commit durable in a fraction of a millisecond, a disk with
/// something else to do in seconds.
const BOUNDS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What the writer counts of its commits; clones share it.
#[derive(Clone, Debug)]
pub(super) struct CommitMetrics {
    seconds: Histogram,
    failed: Counter,
}

impl CommitMetrics {
    /// Creates the metrics, with no commit counted yet.
    pub fn new() -> Self {
        let seconds = Description::new(
            "vch_store_commit_seconds",
            "How long the store took to make a group of transactions and reports durable.",
        );
        let failed = Description::new(
            "vch_store_commits_failed_total",
            "Commits that failed; nothing of them was answered as done.",
        );
        Self {
            seconds: seconds.histogram(&BOUNDS),
            failed: failed.counter(),
        }
    }

    /// Counts a commit with its result and the time that it took.
    pub fn count(&self, took: Duration, written: &Result<(), StoreError>) {
        match written {
            Ok(()) => self.seconds.observe(took.as_secs_f64()),
            Err(_) => self.failed.inc(),
        }
    }

    /// Adds the metrics of commits to `registry`, and a gauge of the writer's waiting jobs, which `queue_depth`
    /// returns.
    ///
    /// # Errors
    /// Returns [`RegisterError`] if a metric of the same name exists.
    pub fn register(
        &self,
        registry: &Registry,
        queue_depth: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        let queue = Description::new(
            "vch_store_queue_depth",
            "Jobs that wait for the store's writer.",
        );
        registry.add(self.seconds.clone())?;
        registry.add(self.failed.clone())?;
        registry.add(queue.read_gauge(queue_depth))
    }
}

#[cfg(test)]
mod tests;
