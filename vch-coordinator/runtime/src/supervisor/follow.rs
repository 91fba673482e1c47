//! Follows a VM through its shim. A shim that does not answer is waited for: a run ends only by
//! what the shim reported or wrote, or by proof that the shim's process is gone.

use crate::{Runtime, RuntimeError, blocking::blocking, event::now_ms};
use std::{io::ErrorKind, time::Duration};
use tokio::time::{Instant, sleep};
use vch_ledger::ContainerId;
use vch_shim::{Failure, Liveness, Outcome, Stages};

/// The exit code of a container whose shim was killed: as if its process had been killed by
/// SIGKILL.
const LOST: u8 = 137;
/// The first and the longest pause before connecting to a shim again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long to wait for the shim of a start that an earlier coordinator began: its process may not
/// exist yet.
const MAY_COME: Duration = Duration::from_secs(3);

/// Errors of an outcome file that is not valid, however often it is read.
const UNREADABLE: [ErrorKind; 2] = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof];

/// What happened to a VM.
pub(super) enum Followed {
    /// The container's process runs since this time, in milliseconds since 1970.
    Runs(u64),
    /// The container's process or its VM has ended.
    Ended(Outcome),
}

/// Follows one VM.
pub(super) struct Follower {
    runtime: Runtime,
    id: ContainerId,
    /// The connection to the shim; `None` while there is no connection.
    stages: Option<Stages>,
    known: Known,
}

/// What the supervisor already knows of the container's process.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Runs,
    /// An earlier coordinator knew that the process runs.
    RanBefore,
    /// The process is being started.
    Starting {
        /// Until when the shim may still appear, if an earlier coordinator began the start.
        may_come_until: Instant,
        /// When the last run ended, in milliseconds since 1970. An outcome that is not newer
        /// belongs to that run.
        last_finished_ms: u64,
    },
}

impl Follower {
    /// Returns the follower of a VM whose shim was just started. It waits for the container's
    /// process first.
    pub fn launched(runtime: &Runtime, id: ContainerId) -> Self {
        let known = Known::Starting {
            may_come_until: Instant::now(),
            last_finished_ms: 0,
        };
        Self::new(runtime, id, known)
    }

    /// Returns the follower of a VM that an earlier coordinator started.
    pub fn running(runtime: &Runtime, id: ContainerId) -> Self {
        Self::new(runtime, id, Known::RanBefore)
    }

    /// Returns the follower of a VM that an earlier coordinator was starting. The container's last
    /// run ended at `last_finished_ms`, in milliseconds since 1970.
    pub fn starting(runtime: &Runtime, id: ContainerId, last_finished_ms: u64) -> Self {
        let known = Known::Starting {
            may_come_until: Instant::now() + MAY_COME,
            last_finished_ms,
        };
        Self::new(runtime, id, known)
    }

    fn new(runtime: &Runtime, id: ContainerId, known: Known) -> Self {
        Self {
            runtime: runtime.clone(),
            id,
            stages: None,
            known,
        }
    }

    /// Waits until the VM does something that the supervisor does not know yet: the container's
    /// process runs, or has ended. Must not be called again after [`Followed::Ended`].
    pub async fn next(mut self) -> (Self, Followed) {
        let mut pause = AGAIN.0;
        loop {
            if let Some(stages) = &mut self.stages {
                match stages.next().await {
                    Ok(stage) => {
                        pause = AGAIN.0;
                        // The start is reported before the end, even if both are known already.
                        if let Some(followed) = self.first_run(stage.started_ms) {
                            // A new connection receives the stage again.
                            if stage.ended.is_some() {
                                self.stages = None;
                            }
                            return (self, followed);
                        }
                        if let Some(outcome) = stage.ended {
                            return (self, Followed::Ended(outcome));
                        }
                        continue;
                    }
                    Err(error) => {
                        tracing::debug!(container = %self.id, %error, "connection to the shim closed");
                        self.stages = None;
                    }
                }
            }
            match self.connect().await {
                Ok(stages) => self.stages = Some(stages),
                Err(error) => {
                    if self.is_dead().await {
                        return self.dead().await;
                    }
                    if pause == AGAIN.1 {
                        tracing::debug!(container = %self.id, %error, "shim does not answer; waiting for it");
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(AGAIN.1);
                }
            }
        }
    }

    fn first_run(&mut self, started_ms: Option<u64>) -> Option<Followed> {
        let started_ms = started_ms?;
        let before = std::mem::replace(&mut self.known, Known::Runs);
        (before != Known::Runs).then_some(Followed::Runs(started_ms))
    }

    async fn connect(&self) -> Result<Stages, RuntimeError> {
        let snapshot = self.runtime.require(self.id).await?;
        Ok(self.runtime.client(&snapshot)?.watch().await?)
    }

    async fn is_dead(&self) -> bool {
        let dead = matches!(self.runtime.liveness(self.id).await, Ok(Liveness::Dead));
        match self.known {
            Known::Starting { may_come_until, .. } => dead && Instant::now() >= may_come_until,
            _ => dead,
        }
    }

    /// Returns how a VM ended whose shim is gone: as the shim wrote it, or as if it was killed.
    async fn dead(mut self) -> (Self, Followed) {
        let mut outcome = self.runtime.outcome(self.id).await;
        if let Known::Starting {
            last_finished_ms, ..
        } = self.known
        {
            if outcome.finished_ms <= last_finished_ms {
                outcome = lost();
            } else if outcome.started_ms > 0 {
                self.known = Known::Runs;
                return (self, Followed::Runs(outcome.started_ms));
            }
        }
        (self, Followed::Ended(outcome))
    }
}

impl Runtime {
    /// Returns the outcome of a container's last run, whose shim is gone: as the shim wrote it, or
    /// as if it was killed.
    async fn outcome(&self, id: ContainerId) -> Outcome {
        loop {
            let dir = self.0.dirs.of(id);
            match blocking(move || Outcome::read(&dir)).await {
                Ok(written) => return written.unwrap_or_else(lost),
                Err(error) if UNREADABLE.contains(&error.kind()) => {
                    tracing::error!(container = %id, %error, "outcome of a VM cannot be read");
                    return lost();
                }
                // The error may be temporary, such as a lack of file descriptors.
                Err(error) => {
                    tracing::warn!(container = %id, %error, "outcome of a VM not read yet; trying again");
                    sleep(AGAIN.1).await;
                }
            }
        }
    }
}

/// Returns the outcome of a VM whose shim was killed before it wrote one.
fn lost() -> Outcome {
    Outcome {
        code: LOST,
        finished_ms: now_ms(),
        failure: Some(Failure {
            code: "shim-lost".to_owned(),
            text: "the VM's shim was killed, and the VM with it".to_owned(),
        }),
        ..Outcome::default()
    }
}

#[cfg(test)]
mod tests;
