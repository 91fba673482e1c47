//! Keeps the data plane behind the ledger: in the order of its transactions, tried again where it
//! failed, healed where somebody else changed the kernel.

use crate::{
    dataplane::Dataplane,
    drift::Drift,
    error::{DataplaneError, Later},
};
use futures_util::FutureExt;
use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Duration};
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vch_ledger::desired::Delta;
use vch_log::error_chain;
use vch_network::{nat::NatError, segments::SegmentError};
use vch_store::{FollowError, LedgerHandle, Published, WriterError};

/// First and longest pause before what failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// When what failed is tried again: sooner after somebody's interference than after our own failures.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Retry {
    pause: Duration,
    at: Option<Instant>,
}

impl Retry {
    fn new() -> Self {
        Self {
            pause: RETRY.0,
            at: None,
        }
    }

    /// Something failed; a try that is due already is not put off.
    fn failed(&mut self, now: Instant) {
        self.at.get_or_insert(now + self.pause);
    }

    /// It was tried; `healing` because somebody else had changed something.
    fn tried(&mut self, now: Instant, all_is_well: bool, healing: bool) {
        if all_is_well {
            *self = Self::new();
            return;
        }
        self.pause = match healing {
            true => RETRY.0,
            false => (self.pause * 2).min(RETRY.1),
        };
        self.at = Some(now + self.pause);
    }

    async fn due(&self) {
        match self.at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// Follows the ledger until it is cancelled or the writer ends.
pub struct Reconciler {
    /// The data plane.
    pub dataplane: Dataplane,
    /// The one writer.
    pub ledger_handle: LedgerHandle,
    /// What was committed, in order.
    pub published: mpsc::Receiver<Published>,
    /// What is not yet so.
    pub drift: Drift,
    /// What is done beside the following of further transactions.
    pub later: TaskTracker,
}

/// Why nothing follows the ledger any more.
#[derive(Debug, Error)]
pub enum ReconcilerError {
    /// Changes of links are not heard any more.
    #[error("segments: changes of links can't be waited for")]
    Segments(#[from] SegmentError),
    /// Changes of nftables are not heard any more.
    #[error(transparent)]
    Nat(#[from] NatError),
    /// There is no ledger to follow.
    #[error(transparent)]
    Writer(#[from] WriterError),
}

/// A part of the data plane failed, which was told to whoever asked.
struct Failed;

impl Reconciler {
    /// Runs until cancelled, and gives the data plane back to be closed.
    ///
    /// # Errors
    /// [`ReconcilerError`]: nothing follows the ledger any more.
    pub async fn run(
        mut self,
        stop: CancellationToken,
    ) -> (Dataplane, Result<(), ReconcilerError>) {
        let done = self.serve(&stop).await;
        (self.dataplane, done)
    }

    async fn serve(&mut self, stop: &CancellationToken) -> Result<(), ReconcilerError> {
        let mut disturbed = self.dataplane.segments.watch();
        let mut rewritten = self.dataplane.nat.watch()?;
        // One word is enough: it says that something failed.
        let (failing, mut failed) = mpsc::channel(1);
        let mut retry = Retry::new();
        if !self.drift.messages().is_empty() {
            retry.failed(Instant::now());
        }
        loop {
            // Every arm is cancel-safe: `recv`, `changed` and `cancelled` say so.
            let healing = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                published = self.published.recv() => {
                    let published = published.ok_or(WriterError::Ended)?;
                    if self.follow(published, &failing).await.is_err() {
                        retry.failed(Instant::now());
                    }
                    continue;
                }
                Some(()) = failed.recv() => {
                    retry.failed(Instant::now());
                    continue;
                }
                changed = disturbed.changed() => {
                    let links = changed?;
                    if links.is_empty() {
                        continue;
                    }
                    tracing::warn!(?links, "somebody else changed our links: healing");
                    true
                },
                changed = rewritten.changed() => {
                    let tables = changed?;
                    tracing::warn!(?tables, "somebody else changed our nftables: healing");
                    true
                },
                () = retry.due() => false,
            };
            let all_is_well = self.reconcile(&failing).await?;
            retry.tried(Instant::now(), all_is_well, healing);
        }
    }

    /// Follows one transaction; what of it may be done beside the next ones is.
    async fn follow(
        &mut self,
        published: Published,
        failing: &mpsc::Sender<()>,
    ) -> Result<(), Failed> {
        let Published {
            committed,
            at,
            settled,
        } = published;
        let later = match self.dataplane.follow(&committed.delta, at).await {
            Ok(None) => {
                // Whoever asked may have gone away.
                let _ = settled.send(Ok(()));
                return Ok(());
            }
            Ok(Some(later)) => later,
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "a transaction is not followed yet"
                );
                let _ = settled.send(Err(error.into()));
                return Err(Failed);
            }
        };
        self.beside(later, Some(settled), failing);
        Ok(())
    }

    /// Does something beside the following of transactions, and tells whoever waits for it.
    fn beside(
        &self,
        later: Later,
        settled: Option<oneshot::Sender<Result<(), FollowError>>>,
        failing: &mpsc::Sender<()>,
    ) {
        let failing = failing.clone();
        self.later.spawn(async move {
            let done = AssertUnwindSafe(later).catch_unwind().await;
            // The panic is in the log; what it left undone is tried again as any failure.
            let done = done.unwrap_or(Err(DataplaneError::Panicked));
            if let Err(error) = &done {
                tracing::warn!(
                    error = error_chain(error),
                    "a transaction is not followed yet"
                );
                // There is a word in it already, or the reconciler has ended.
                let _ = failing.try_send(());
            }
            if let Some(settled) = settled {
                // Whoever asked may have gone away.
                let _ = settled.send(done.map_err(FollowError::from));
            }
        });
    }

    /// Whether everything agrees with the ledger now.
    async fn reconcile(&mut self, failing: &mpsc::Sender<()>) -> Result<bool, WriterError> {
        let whole = self.ledger_handle.read(Delta::whole).await?;
        let failed = self.dataplane.reconcile(&whole, BTreeMap::new()).await;
        for error in &failed {
            tracing::warn!(error = error_chain(error), "not settled yet");
        }
        self.drift.report(&failed, self.dataplane.waiting());
        let again = self.dataplane.again();
        let all_is_well = failed.is_empty() && again.is_none();
        if let Some(again) = again {
            self.beside(again, None, failing);
        }
        Ok(all_is_well)
    }
}

#[cfg(test)]
mod tests;
