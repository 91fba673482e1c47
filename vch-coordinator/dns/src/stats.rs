//! Counts what the name server has done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::answer::Decision;

/// The numbers of DNS messages that the server has received, by what it did with them: since its
/// start, over all threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// The queries that the server answered by itself, by UDP or TCP, including errors and refusals.
    pub answered: u64,
    /// The queries for names that are not published here, which the server does not answer by itself: sent to an
    /// upstream server, joined with the same query of another client, or answered with SERVFAIL since too many were
    /// waiting.
    pub forwarded: u64,
    /// The messages that were dropped since they were not queries.
    pub dropped: u64,
    /// The queries by UDP that were dropped unread since their client already had its share of waiting queries
    /// ([`Config::max_waiting`](crate::Config::max_waiting)). They are in none of the other counts.
    pub beyond: u64,
}

/// Reads a server's counts. It can still be used after the server has ended.
#[derive(Debug, Clone)]
pub struct StatsReader(pub(crate) Arc<[Arc<Counters>]>);

impl StatsReader {
    /// Returns the counts since the server's start, up to now.
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
