//! The parts of a running coordinator: its long-running tasks. A part that ends unexpectedly ends the coordinator;
//! otherwise requests would still be answered as done although the part's work is missing.

use std::{collections::BTreeMap, convert::Infallible, error::Error, future::Future};
use thiserror::Error;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use vch_log::error_chain;

/// How a part (a long-running task) ended before the coordinator was told to stop.
#[derive(Debug, Error)]
pub enum PartError {
    /// The part returned, which it must not do by itself.
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
        /// The error with its causes, as one line.
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

/// The parts of a coordinator: its long-running tasks, by name.
pub struct Parts {
    tasks: JoinSet<PartOutcome>,
    names: BTreeMap<Id, &'static str>,
    stop: CancellationToken,
    /// The channel by which a test ends a part.
    #[cfg(test)]
    pub faults: faults::Faults,
}

impl Parts {
    /// Creates an empty set of parts (long-running tasks). Each part is ended when `stop` is cancelled.
    pub fn new(stop: CancellationToken, #[cfg(test)] faults: faults::Faults) -> Self {
        Self {
            tasks: JoinSet::new(),
            names: BTreeMap::new(),
            stop,
            #[cfg(test)]
            faults,
        }
    }

    /// Spawns a part (long-running task) that must run until the stop. The stop cancels it.
    pub fn spawn(&mut self, part: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn_fallible(part, async {
            work.await;
            Ok::<(), Infallible>(())
        });
    }

    /// Spawns a part (long-running task) that must run until the stop, and that may return an error. The stop cancels
    /// it.
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

    /// Spawns a part (long-running task) that must run until the stop. The part ends by itself after the stop, and is
    /// not cancelled.
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

    /// Spawns a task that may end at any time. Only its panic counts as an unexpected end.
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

    /// Waits until a part (long-running task) ends unexpectedly. Returns its name, and how it ended. Cancel-safe.
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

    /// Waits until all parts (long-running tasks) have ended. The caller must have cancelled the stop before.
    pub async fn close(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
pub mod faults;
#[cfg(test)]
mod tests;
