//! The parts of a running coordinator. A part that ends unexpectedly ends the coordinator:
//! otherwise requests would still be answered as done although the part's work is missing.

use std::{collections::BTreeMap, convert::Infallible, error::Error, future::Future};
use thiserror::Error;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use vch_log::error_chain;

/// A part ended before the coordinator was told to stop.
#[derive(Debug, Error)]
pub enum PartError {
    /// The part returned.
    #[error("the {part} ended: the coordinator ends too, VMs go on")]
    Ended {
        /// The name of the part.
        part: &'static str,
    },
    /// The part returned an error.
    #[error("the {part} failed ({reason}): the coordinator ends too, VMs go on")]
    Failed {
        /// The name of the part.
        part: &'static str,
        /// The error with its causes.
        reason: String,
    },
    /// The part panicked. The panic is in the log.
    #[error("the {part} panicked: the coordinator ends too, VMs go on")]
    Panicked {
        /// The name of the part.
        part: &'static str,
    },
}

/// How a task ended; `None` for an expected end.
type PartOutcome = Option<PartError>;

/// The tasks of a coordinator.
pub struct Parts {
    tasks: JoinSet<PartOutcome>,
    names: BTreeMap<Id, &'static str>,
    stop: CancellationToken,
    #[cfg(test)]
    pub faults: faults::Faults,
}

impl Parts {
    /// Creates an empty set of parts, which end when `stop` is cancelled.
    pub fn new(stop: CancellationToken, #[cfg(test)] faults: faults::Faults) -> Self {
        Self {
            tasks: JoinSet::new(),
            names: BTreeMap::new(),
            stop,
            #[cfg(test)]
            faults,
        }
    }

    /// Spawns a part that must not end by itself.
    pub fn spawn(&mut self, part: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn_fallible(part, async {
            work.await;
            Ok::<(), Infallible>(())
        });
    }

    /// Spawns a part that must not end by itself, and that may return an error.
    pub fn spawn_fallible<E: Error + Send + 'static>(
        &mut self,
        part: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let until = self.stop.clone();
        self.spawn_stopping(part, async move {
            let done = until.run_until_cancelled_owned(work).await;
            done.unwrap_or(Ok(()))
        });
    }

    /// Spawns a part that reacts to the stop itself, and must not end before it.
    pub fn spawn_stopping<E: Error + Send + 'static>(
        &mut self,
        part: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        #[cfg(test)]
        let work = self.faults.clone().meet(part, work);
        let stop = self.stop.clone();
        self.add(part, async move {
            let done = work.await;
            if stop.is_cancelled() {
                return None;
            }
            Some(match done {
                Ok(()) => PartError::Ended { part },
                Err(error) => PartError::Failed {
                    part,
                    reason: error_chain(&error).to_string(),
                },
            })
        });
    }

    /// Spawns a task that ends by itself. Only a panic counts as the unexpected end of a part.
    pub fn spawn_once(
        &mut self,
        part: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let work = self.stop.clone().run_until_cancelled_owned(work);
        self.add(part, async move {
            work.await;
            None
        });
    }

    fn add(
        &mut self,
        part: &'static str,
        task: impl Future<Output = PartOutcome> + Send + 'static,
    ) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, part);
    }

    /// Waits until a part ends unexpectedly, and returns how. Cancel-safe.
    pub async fn ended(&mut self) -> PartError {
        loop {
            match self.tasks.join_next_with_id().await {
                None => std::future::pending().await,
                Some(Ok((_, None))) => {}
                Some(Ok((_, Some(error)))) => return error,
                Some(Err(error)) => return self.panicked(&error),
            }
        }
    }

    fn panicked(&self, error: &JoinError) -> PartError {
        let part = self.names.get(&error.id()).copied();
        PartError::Panicked {
            part: part.unwrap_or("coordinator's task"),
        }
    }

    /// Waits until all parts have ended. The stop must have been cancelled.
    pub async fn close(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
pub mod faults;
#[cfg(test)]
mod tests;
