//! Keeps the effects behind the ledger: in the order of its transactions, tried again where they
//! failed, healed where somebody else changed the kernel.

use crate::{
    chain::chain,
    effects::{EffectError, Effects, work::Work},
    store::{Keeper, KeeperError, Published},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// First and longest pause before what failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What does not agree with the ledger at present, in words. Empty when all is well.
#[derive(Clone, Debug, Default)]
pub struct Unsettled(Arc<Mutex<Vec<String>>>);

impl Unsettled {
    /// A line for each effect that is being retried.
    pub fn words(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says what is not so, in place of what was said before.
    pub fn report(&self, failed: &[EffectError]) {
        let words = failed.iter().map(|error| chain(error)).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }
}

/// Follows the ledger until it is cancelled or the keeper ends.
pub struct Settler {
    /// The effects.
    pub effects: Effects,
    /// The one writer.
    pub keeper: Keeper,
    /// What was committed, in order.
    pub published: mpsc::Receiver<Published>,
    /// What is not yet so.
    pub unsettled: Unsettled,
    /// What is done beside the following of further transactions.
    pub later: TaskTracker,
}

/// An effect failed, which was told to whoever asked.
struct Failed;

impl Settler {
    /// Runs until cancelled, then gives the effects back to be closed.
    pub async fn run(mut self, stop: CancellationToken) -> Effects {
        let mut disturbed = self.effects.segments.watch();
        let mut rewritten = match self.effects.nat.watch() {
            Ok(watch) => watch,
            Err(error) => {
                tracing::error!(error = chain(&error), "nat");
                return self.effects;
            }
        };
        // One word is enough: it says that something failed.
        let (failing, mut failed) = mpsc::channel(1);
        let mut pause = RETRY.0;
        // The next try of what failed.
        let mut again = (!self.unsettled.words().is_empty()).then(|| Instant::now() + pause);
        loop {
            // Every arm is cancel-safe: `recv`, `changed` and `cancelled` say so.
            let healing = tokio::select! {
                () = stop.cancelled() => return self.effects,
                published = self.published.recv() => {
                    let Some(published) = published else {
                        return self.effects;
                    };
                    if self.follow(published, &failing).await.is_err() {
                        again.get_or_insert(Instant::now() + pause);
                    }
                    continue;
                }
                Some(()) = failed.recv() => {
                    again.get_or_insert(Instant::now() + pause);
                    continue;
                }
                changed = disturbed.changed() => match changed {
                    Ok(links) if links.is_empty() => continue,
                    Ok(links) => {
                        tracing::warn!(?links, "somebody else changed our links: healing");
                        true
                    }
                    Err(error) => {
                        tracing::error!(error = chain(&error), "segments");
                        return self.effects;
                    }
                },
                changed = rewritten.changed() => match changed {
                    Ok(tables) => {
                        tracing::warn!(?tables, "somebody else changed our nftables: healing");
                        true
                    }
                    Err(error) => {
                        tracing::error!(error = chain(&error), "nat");
                        return self.effects;
                    }
                },
                () = async {
                    match again {
                        Some(at) => sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => false,
            };
            match self.reconcile().await {
                Ok(true) => (again, pause) = (None, RETRY.0),
                Ok(false) => {
                    pause = if healing {
                        RETRY.0
                    } else {
                        (pause * 2).min(RETRY.1)
                    };
                    again = Some(Instant::now() + pause);
                }
                Err(KeeperError) => return self.effects,
            }
        }
    }

    /// Follows one transaction; what of it may be done beside the next ones is.
    async fn follow(
        &mut self,
        published: Published,
        failing: &mpsc::Sender<()>,
    ) -> Result<(), Failed> {
        let Published { committed, settled } = published;
        let later = match self.effects.follow(&committed.work).await {
            Ok(None) => {
                // Whoever asked may have gone away.
                let _ = settled.send(Ok(()));
                return Ok(());
            }
            Ok(Some(later)) => later,
            Err(error) => {
                tracing::warn!(error = chain(&error), "an effect failed");
                let _ = settled.send(Err(error));
                return Err(Failed);
            }
        };
        let failing = failing.clone();
        self.later.spawn(async move {
            let done = later.await;
            if let Err(error) = &done {
                tracing::warn!(error = chain(error), "an effect failed");
                // There is a word in it already, or the settler has ended.
                let _ = failing.try_send(());
            }
            let _ = settled.send(done);
        });
        Ok(())
    }

    /// Whether everything agrees with the ledger now.
    async fn reconcile(&mut self) -> Result<bool, KeeperError> {
        let whole = self.keeper.read(Work::whole).await?;
        let failed = self.effects.reconcile(&whole, BTreeMap::new()).await;
        for error in &failed {
            tracing::warn!(error = chain(error), "not settled yet");
        }
        self.unsettled.report(&failed);
        Ok(failed.is_empty())
    }
}
