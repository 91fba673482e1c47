//! What the server has done, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::answer::Decision;

/// Counts since the server was started, over all threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Queries answered from here.
    pub answered: u64,
    /// Queries asked upstream, or refused for want of room.
    pub forwarded: u64,
    /// Messages that were no queries.
    pub dropped: u64,
    /// Messages that were not answered since as many of their client were waiting as it may have.
    pub beyond: u64,
}

/// Reads what a server has done; it stays readable when the server has ended.
#[derive(Debug, Clone)]
pub struct StatsReader(pub(crate) Arc<[Arc<Counters>]>);

impl StatsReader {
    /// What was done so far.
    #[must_use]
    pub fn read(&self) -> Stats {
        let mut stats = Stats::default();
        for thread in &*self.0 {
            thread.add_to(&mut stats);
        }
        stats
    }
}

/// One thread's share: threads that count do not wait for each other's cache lines.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    answered: AtomicU64,
    forwarded: AtomicU64,
    dropped: AtomicU64,
    beyond: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, decision: &Decision) {
        let counter = match decision {
            Decision::Reply(_) => &self.answered,
            Decision::Forward(_) => &self.forwarded,
            Decision::Drop => &self.dropped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A message was beyond its client's share.
    pub(crate) fn count_beyond(&self) {
        self.beyond.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.answered += self.answered.load(Ordering::Relaxed);
        stats.forwarded += self.forwarded.load(Ordering::Relaxed);
        stats.dropped += self.dropped.load(Ordering::Relaxed);
        stats.beyond += self.beyond.load(Ordering::Relaxed);
    }
}
