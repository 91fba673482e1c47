//! A page of the transactions that are kept, and the reasons for which a follower gets no page.

use super::{
    Logged, StoreError,
    error::WriterError,
    log::{Bounds, Encoded},
};
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::broadcast;
use vch_ledger::Revision;

/// The most that the writer reads from disk for one page: bounds the memory that a follower costs.
pub(super) const PAGE: Bounds = Bounds {
    transactions: 256,
    bytes: 1 << 20,
};
/// The capacity of a follower's broadcast channel, in transactions: a few groups of the writer's. A
/// follower that is further behind reads from disk again.
pub(super) const BEHIND: usize = 1_024;

/// Why a stream of changes ends.
#[derive(Debug, Error)]
pub enum ChangesError {
    /// The transactions behind the revision are not kept any more.
    #[error(
        "changes behind revision {after} are not kept any more, the oldest to begin behind is {oldest}: read everything, then follow from that revision",
        after = .after.0, oldest = .oldest.0
    )]
    Compacted {
        /// The revision that the caller asked to follow from.
        after: Revision,
        /// The oldest revision behind which every transaction is kept.
        oldest: Revision,
    },
    /// The revision is newer than the newest one: it comes from another VCH, or this store was
    /// restored from an older copy.
    #[error(
        "revision {after} has not come yet, the newest is {newest}: read everything, then follow from that revision",
        after = .after.0, newest = .newest.0
    )]
    Ahead {
        /// The revision that the caller asked to follow from.
        after: Revision,
        /// The newest revision.
        newest: Revision,
    },
    /// The follower fell so far behind that transactions were dropped from its channel. None is
    /// lost: a new stream that begins behind `after` reads them from disk.
    #[error("too slow for the changes behind revision {after}: follow from it again", after = .after.0)]
    Lagged {
        /// The revision of the last transaction that the follower received.
        after: Revision,
    },
    /// The kept transactions can't be read.
    #[error("the changes that are kept cannot be read")]
    Store(#[from] StoreError),
    /// The writer has ended.
    #[error(transparent)]
    Ended(#[from] WriterError),
}

/// A page of kept transactions; the last page also has the subscription to new ones.
pub(super) struct Page {
    pub transactions: Vec<Encoded>,
    /// The subscription to new transactions; only the last page has it.
    pub live: Option<broadcast::Receiver<Arc<Logged>>>,
}
