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
    Logged,
    error::WriterError,
    jobs::{FollowJob, Jobs},
    log::Encoded,
    page::ChangesError,
};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::{broadcast, oneshot};
use vch_ledger::Revision;

/// A stream of the ledger's transactions: its changes of networks, containers, endpoints and published ports. It begins
/// after a revision (transaction number), with the newer stored transactions, and continues with new ones as they are
/// committed; each comes once and in order. [`LedgerHandle::changes_since`](super::LedgerHandle::changes_since) returns
/// it.
///
/// The stream does not keep the ledger's writer running: it ends when the last [`LedgerHandle`](super::LedgerHandle) is
/// dropped.
pub struct Changes {
    jobs: Jobs,
    after: Revision,
    page: VecDeque<Encoded>,
    live: Option<broadcast::Receiver<Arc<Logged>>>,
}

impl Changes {
    /// Begins to follow the transactions behind the revision `after`.
    ///
    /// # Errors
    /// Returns [`ChangesError`] if the store no longer has, or does not have yet, the transactions
    /// behind that revision, or if the writer has ended.
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

    /// Returns the revision (transaction number) of the last transaction that this stream returned; before the first,
    /// the revision after which it began. When the stream has ended, a new one can continue from there.
    pub fn after(&self) -> Revision {
        self.after
    }

    /// Waits for the next transaction, and returns it. Cancel-safe: if the future is dropped, the
    /// next call returns the same transaction.
    ///
    /// # Errors
    /// Returns [`ChangesError::Lagged`] if the caller was too slow; a new stream can continue from
    /// the revision that the error has. Returns [`ChangesError::Compacted`],
    /// [`ChangesError::Store`] or [`ChangesError::Ended`] if the stream can't continue.
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
