//! Carries out the ledger's transactions in order, retries what failed, and repairs what another program changed in the
//! kernel.

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

/// The first and the longest pause before a failed reconciliation is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The time of the next try after a failure. The pause grows while our own tries fail; after another program's
/// interference it is the shortest.
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

    /// Schedules a try after a failure; one that is scheduled already is not put off.
    fn failed(&mut self, now: Instant) {
        self.at.get_or_insert(now + self.pause);
    }

    /// Schedules the next try, or none if `all_is_well`. `healing` says that the last one repaired
    /// another program's change.
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

/// The task that carries out the ledger's transactions in order, retries what failed, and repairs what another program
/// changed in the kernel. Its fields are its inputs; [`Reconciler::run`] runs it.
pub struct Reconciler {
    /// The data plane (links, nftables, DNS, agent sessions), which this task alone changes.
    pub dataplane: Dataplane,
    /// The handle by which the whole ledger is read.
    pub ledger_handle: LedgerHandle,
    /// The committed transactions, in the order of their revisions.
    pub published: mpsc::Receiver<Published>,
    /// The messages and metrics about what does not agree with the ledger; the task updates them.
    pub drift: Drift,
    /// The tracker of the tasks that do a transaction's remaining work concurrently with the next transactions.
    pub later: TaskTracker,
}

/// Why the reconciler ended although it was not cancelled.
#[derive(Debug, Error)]
pub enum ReconcilerError {
    /// The kernel's events about links can no longer be received.
    #[error("segments: changes of links can't be waited for")]
    Segments(#[from] SegmentError),
    /// The kernel's events about nftables can no longer be received.
    #[error(transparent)]
    Nat(#[from] NatError),
    /// The thread that writes the ledger to disk has ended.
    #[error(transparent)]
    Writer(#[from] WriterError),
}

/// A part of the data plane failed; the error is already with the caller that waits for the
/// transaction.
struct Failed;

impl Reconciler {
    /// Carries out transactions until `stop` is cancelled. The caller has made the data plane agree with the whole
    /// ledger before; if `drift` has messages of failures then, this task soon reconciles the whole again. Returns the
    /// data plane, which the caller must close; tasks of the tracker `later` may still run.
    ///
    /// # Errors
    /// Returns [`ReconcilerError`] together with the data plane: `Segments` or `Nat` if the kernel's events can no
    /// longer be received, `Writer` if the thread that writes the ledger has ended.
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
                    tracing::warn!(?links, "another program changed links of the VCH: repairing them");
                    true
                },
                changed = rewritten.changed() => {
                    let tables = changed?;
                    tracing::warn!(?tables, "another program changed nftables of the VCH: repairing them");
                    true
                },
                () = retry.due() => false,
            };
            let all_is_well = self.reconcile(&failing).await?;
            retry.tried(Instant::now(), all_is_well, healing);
        }
    }

    /// Applies one transaction, and starts its remaining work beside the next ones.
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
                // The caller may have gone away.
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

    /// Runs a transaction's remaining work beside the next transactions, and sends its outcome to
    /// the caller that waits for it.
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
                // The caller may have gone away.
                let _ = settled.send(done.map_err(FollowError::from));
            }
        });
    }

    /// Reconciles the whole; returns whether everything agrees with the ledger now.
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
