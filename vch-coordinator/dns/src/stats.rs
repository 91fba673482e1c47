//! Counts of what the server has done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::answer::Decision;

/// Counts since the server was started, over all threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Queries that this server answered itself.
    pub answered: u64,
    /// Queries that were sent upstream, or refused since there was no room.
    pub forwarded: u64,
    /// Messages that were not queries.
    pub dropped: u64,
    /// Messages that were not answered since their client had its share of waiting questions.
    pub beyond: u64,
}

/// Reads what a server has done; it stays readable when the server has ended.
#[derive(Debug, Clone)]
pub struct StatsReader(pub(crate) Arc<[Arc<Counters>]>);

impl StatsReader {
    /// Returns the counts so far.
    #[must_use]
    pub fn read(&self) -> Stats {
        let mut stats = Stats::default();
        for thread in &*self.0 {
            thread.add_to(&mut stats);
        }
        stats
    }
}

/// The counts of one thread, in cache lines of its own, so that threads do not slow each other
/// down.
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

    /// Counts a message beyond its client's share.
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
