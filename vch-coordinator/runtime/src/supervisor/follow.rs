//! Follows a VM by its shim. A shim that does not answer is waited for: only what it told or wrote, or the proof that
//! its process is gone, ends a run.

use crate::{Runtime, RuntimeError, blocking::blocking, event::now_ms};
use std::{io::ErrorKind, time::Duration};
use tokio::time::{Instant, sleep};
use vch_ledger::ContainerId;
use vch_shim::{Failure, Liveness, Outcome, Stages};

/// The exit code of a container whose shim was killed: as if it was killed itself.
const LOST: u8 = 137;
/// First and longest pause before a shim is asked again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// An earlier coordinator may have started the shim in its last moment: it is not there yet.
const MAY_COME: Duration = Duration::from_secs(3);

/// Errors of a file that is no outcome, however often it is read.
const UNREADABLE: [ErrorKind; 2] = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof];

/// What became of a VM.
pub(super) enum Followed {
    /// Its process runs since this time: milliseconds since 1970.
    Runs(u64),
    /// It has ended.
    Ended(Outcome),
}

/// Follows one VM.
pub(super) struct Follower {
    runtime: Runtime,
    id: ContainerId,
    /// The connection to the shim; `None` while there is none.
    stages: Option<Stages>,
    known: Known,
}

/// What the supervisor knows of the VM's process.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Runs,
    /// An earlier coordinator knew that it runs.
    RanBefore,
    /// It is being started.
    Starting {
        /// Its shim may still come up to this time, where an earlier coordinator began the start.
        may_come_until: Instant,
        /// When the last run ended, milliseconds since 1970: what was written of that one says nothing of this one.
        last_finished_ms: u64,
    },
}

impl Follower {
    /// Returns the follower of a VM whose shim was just started: first it waits for the process.
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

    /// Returns the follower of a VM that an earlier coordinator was starting; the container's last run ended at
    /// `last_finished_ms`.
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

    /// Waits for what the supervisor does not know yet. After [`Followed::Ended`] nothing comes.
    pub async fn next(mut self) -> (Self, Followed) {
        let mut pause = AGAIN.0;
        loop {
            if let Some(stages) = &mut self.stages {
                match stages.next().await {
                    Ok(stage) => {
                        pause = AGAIN.0;
                        // Its start is told before its end, even if both are known by now.
                        if let Some(followed) = self.news(stage.started_ms) {
                            // The stage is told again to a new connection.
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
                        tracing::debug!(container = %self.id, %error, "the connection to a shim has ended");
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
                        tracing::debug!(container = %self.id, %error, "a shim does not answer and is waited for");
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(AGAIN.1);
                }
            }
        }
    }

    fn news(&mut self, started_ms: Option<u64>) -> Option<Followed> {
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
    /// Returns how the last run of a container ended whose shim is gone: as the shim wrote it, or as if it was killed.
    async fn outcome(&self, id: ContainerId) -> Outcome {
        loop {
            let dir = self.0.dirs.of(id);
            match blocking(move || Outcome::read(&dir)).await {
                Ok(written) => return written.unwrap_or_else(lost),
                Err(error) if UNREADABLE.contains(&error.kind()) => {
                    tracing::error!(container = %id, %error, "what a shim wrote of the end of its VM can't be read");
                    return lost();
                }
                // It may be read when a descriptor is free again.
                Err(error) => {
                    tracing::warn!(container = %id, %error, "what a shim wrote of the end of its VM is not read yet");
                    sleep(AGAIN.1).await;
                }
            }
        }
    }
}

/// How a VM ended whose shim was killed before it wrote anything.
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
