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

/// The reason why a stream of the ledger's transactions ([`Changes`](super::Changes)) can't begin
/// or continue.
#[derive(Debug, Error)]
pub enum ChangesError {
    /// Some of the transactions after the given revision (transaction number) are no longer stored: the store keeps
    /// only the last ones, at most 4,096. The caller must read the whole ledger first.
    #[error(
        "changes behind revision {after} are not kept any more, the oldest to begin behind is {oldest}: read everything, then follow from that revision",
        after = .after.0, oldest = .oldest.0
    )]
    Compacted {
        /// The revision from which the caller wanted to continue.
        after: Revision,
        /// The lowest revision from which a stream can begin at present.
        oldest: Revision,
    },
    /// The given revision (transaction number) is greater than that of the newest transaction.
    #[error(
        "revision {after} has not come yet, the newest is {newest}: read everything, then follow from that revision",
        after = .after.0, newest = .newest.0
    )]
    Ahead {
        /// The revision from which the caller wanted to continue.
        after: Revision,
        /// The revision of the newest transaction.
        newest: Revision,
    },
    /// The caller received transactions too slowly, so that some were dropped from its channel.
    /// They are still stored: a new stream from `after` reads them from disk.
    #[error("too slow for the changes behind revision {after}: follow from it again", after = .after.0)]
    Lagged {
        /// The revision of the last transaction that the caller received.
        after: Revision,
    },
    /// The stored transactions can't be read.
    #[error("the changes that are kept cannot be read")]
    Store(#[from] StoreError),
    /// The thread that writes the ledger has ended, so no further transactions follow.
    #[error(transparent)]
    Ended(#[from] WriterError),
}

/// A page of kept transactions; the last page also has the subscription to new ones.
pub(super) struct Page {
    /// The transactions in order, still encoded.
    pub transactions: Vec<Encoded>,
    /// The subscription to new transactions; only the last page has it.
    pub live: Option<broadcast::Receiver<Arc<Logged>>>,
}
