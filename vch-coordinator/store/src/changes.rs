//! The stream of changes: what was committed behind a revision, then what is being committed.
//!
//! ```text
//!   Changes ──page behind `revision`?──► writer: transactions on disk; with the last page also
//!      │                                         a subscription to new ones
//!      └──◄── broadcast of each commit ── writer
//! ```
//!
//! The writer answers between two commits: what is on the last page and what is heard afterwards
//! have neither a gap nor an overlap.

use super::{
    Logged, StoreError, WriterError,
    log::{Bounds, Encoded},
    writer::{FollowJob, Jobs},
};
use std::{collections::VecDeque, sync::Arc};
use thiserror::Error;
use tokio::sync::{broadcast, oneshot};
use vch_ledger::Revision;

/// What the writer hands out at once: so much of the past is in memory for a follower.
pub(super) const PAGE: Bounds = Bounds {
    transactions: 256,
    bytes: 1 << 20,
};
/// Transactions that a follower may be behind before it must read from disk again: some groups of
/// the writer's.
pub(super) const BEHIND: usize = 1_024;

/// Why a stream of changes does not go on.
#[derive(Debug, Error)]
pub enum ChangesError {
    /// What comes behind the revision is not kept any more.
    #[error(
        "changes behind revision {after} are not kept any more, the oldest to begin behind is {oldest}: read everything, then follow from that revision",
        after = .after.0, oldest = .oldest.0
    )]
    Compacted {
        /// Behind what was asked.
        after: Revision,
        /// The oldest revision behind which everything is kept.
        oldest: Revision,
    },
    /// There is no such revision yet: it is of another VCH, or of a store that was put back from an
    /// older copy.
    #[error(
        "revision {after} has not come yet, the newest is {newest}: read everything, then follow from that revision",
        after = .after.0, newest = .newest.0
    )]
    Ahead {
        /// Behind what was asked.
        after: Revision,
        /// The last one there is.
        newest: Revision,
    },
    /// The follower was so slow that transactions passed it by. None is lost: asked again, the
    /// stream goes on behind this revision, from what is kept.
    #[error("too slow for the changes behind revision {after}: follow from it again", after = .after.0)]
    Lagged {
        /// The last transaction that was told.
        after: Revision,
    },
    /// What is kept can't be read.
    #[error("the changes that are kept cannot be read")]
    Store(#[from] StoreError),
    /// The writer has ended.
    #[error(transparent)]
    Ended(#[from] WriterError),
}

/// The transactions behind a revision, each once and in order, without end.
///
/// It does not keep the writer alive: with the last [`LedgerHandle`](super::LedgerHandle) it ends.
pub struct Changes {
    jobs: Jobs,
    after: Revision,
    page: VecDeque<Encoded>,
    live: Option<broadcast::Receiver<Arc<Logged>>>,
}

/// A part of the past, and behind its end the present.
pub(super) struct Page {
    pub transactions: Vec<Encoded>,
    /// With the last part only.
    pub live: Option<broadcast::Receiver<Arc<Logged>>>,
}

impl Changes {
    pub(super) async fn follow(jobs: Jobs, after: Revision) -> Result<Self, ChangesError> {
        let mut changes = Self {
            jobs,
            after,
            page: VecDeque::new(),
            live: None,
        };
        changes.turn().await?;
        Ok(changes)
    }

    /// The last transaction that was told: where to follow from when this stream has ended.
    pub fn after(&self) -> Revision {
        self.after
    }

    /// The next transaction; waits for it. Cancel-safe: what was not returned comes again.
    ///
    /// # Errors
    /// [`ChangesError::Lagged`] for a slow follower, who may go on; anything else is the end.
    pub async fn next(&mut self) -> Result<Arc<Logged>, ChangesError> {
        let next = loop {
            if let Some(encoded) = self.page.front() {
                let logged = encoded.decode()?;
                self.page.pop_front();
                break Arc::new(logged);
            }
            let Some(live) = &mut self.live else {
                self.turn().await?;
                continue;
            };
            match live.recv().await {
                Ok(logged) => break logged,
                Err(broadcast::error::RecvError::Closed) => return Err(WriterError::Ended.into()),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.live = None;
                    return Err(ChangesError::Lagged { after: self.after });
                }
            }
        };
        self.after = next.revision;
        Ok(next)
    }

    /// Reads the next page.
    async fn turn(&mut self) -> Result<(), ChangesError> {
        let (answer, answered) = oneshot::channel();
        let after = self.after;
        self.jobs.send(FollowJob { after, answer }).await?;
        let page = answered.await.map_err(|_| WriterError::Ended)??;
        self.page = page.transactions.into();
        self.live = page.live;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
