//! From a container's process to its end, and on to what its policy says.

use super::change::Change;
use crate::runtime::{
    ContainerSnapshot, Runtime, RuntimeError,
    event::now_ms,
    health,
    machine::Machine,
    restart,
    workload::{Life, Status},
};
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use vch_ledger::ContainerId;
use vch_shim::{Failure, Outcome, Stages};

/// For whoever is attached to a container that removes itself.
const LAST_READS: Duration = Duration::from_secs(10);
/// A shim that was lost: as if killed.
const LOST: u8 = 137;

impl Runtime {
    /// Follows a container to its end, in a task of the runtime's.
    pub(super) fn follow(&self, id: ContainerId, machine: Arc<Machine>, stages: Stages) {
        let runtime = self.clone();
        self.0
            .tasks
            .spawn(async move { runtime.to_the_end(id, &machine, stages).await });
    }

    async fn to_the_end(&self, id: ContainerId, machine: &Arc<Machine>, mut stages: Stages) {
        let began = Instant::now();
        let ended = async {
            loop {
                match stages.next().await {
                    Ok(stage) => {
                        if let Some(started_ms) = stage.started_ms {
                            self.runs(id, machine, started_ms).await;
                        }
                        if let Some(outcome) = stage.ended {
                            return outcome;
                        }
                    }
                    // The shim wrote it before it went; or it was killed, and QEMU with it.
                    Err(_) => return self.outcome(id),
                }
            }
        };
        let checked = async {
            health::keep(self.clone(), id, Arc::clone(machine)).await;
            // It can't be checked any more: its end is awaited all the same.
            std::future::pending::<Infallible>().await
        };
        let outcome = tokio::select! {
            outcome = ended => outcome,
            never = checked => match never {},
        };
        machine.set_health(None);
        if let Err(error) = self.finish(id, machine, outcome).await {
            tracing::warn!(container = %id, %error, "the end of a container is not kept");
            return;
        }
        self.after(id, machine, began.elapsed()).await;
    }

    /// Its process runs: known already, but where another coordinator died while it was starting it.
    async fn runs(&self, id: ContainerId, machine: &Machine, started_ms: u64) {
        let running = |looked: &ContainerSnapshot| {
            let life = Life {
                status: Status::Running,
                started_ms,
                ..looked.life.clone()
            };
            let new = looked.life.status != Status::Running;
            new.then(|| Change::started(life))
        };
        if let Err(error) = self.change(id, machine, running).await {
            tracing::warn!(container = %id, %error, "the start of a container is not kept");
        }
    }

    /// How its last life ended, as its shim wrote it.
    pub(super) fn outcome(&self, id: ContainerId) -> Outcome {
        let read = Outcome::read(&self.0.dirs.of(id)).ok().flatten();
        read.unwrap_or_else(|| Outcome {
            code: LOST,
            finished_ms: now_ms(),
            failure: Some(Failure {
                code: "shim-lost".to_owned(),
                text: "the VM's shim was killed, and the VM with it".to_owned(),
            }),
            ..Outcome::default()
        })
    }

    /// A container has ended.
    pub(super) async fn finish(
        &self,
        id: ContainerId,
        machine: &Machine,
        outcome: Outcome,
    ) -> Result<(), RuntimeError> {
        let looked = self.require(id).await?;
        let Outcome {
            code,
            out_of_memory,
            finished_ms,
            failure,
            ..
        } = outcome;
        if out_of_memory {
            self.tell_of(&looked, "oom", &[]);
        }
        let ended = |looked: &ContainerSnapshot| {
            Some(Change::ended(Life {
                status: Status::Exited,
                exit_code: code.into(),
                error: failure.map(|failure| failure.text).unwrap_or_default(),
                out_of_memory,
                finished_ms,
                pid: 0,
                ..looked.life.clone()
            }))
        };
        self.change(id, machine, ended).await?;
        let ran = finished_ms.saturating_sub(looked.life.started_ms);
        let ran = Duration::from_millis(ran).as_secs().to_string();
        let details = [("execDuration", ran), ("exitCode", code.to_string())];
        self.tell_of(&looked, "die", &details);
        Ok(())
    }

    /// What the container's policy says after its end.
    async fn after(&self, id: ContainerId, machine: &Arc<Machine>, ran: Duration) {
        let Ok(looked) = self.require(id).await else {
            return;
        };
        let mut tries = machine.tries();
        let again = restart::after_end(&looked.workload.restart, &looked.life, ran, &mut tries);
        machine.set_tries(tries);
        if let Some(pause) = again {
            let waits = |looked: &ContainerSnapshot| {
                let life = Life {
                    status: Status::Restarting,
                    ..looked.life.clone()
                };
                // Somebody has started it meanwhile.
                (!looked.container.runs()).then(|| Change::same(life))
            };
            if self.change(id, machine, waits).await.is_ok() {
                tokio::time::sleep(pause).await;
                self.start_again(id, machine).await;
            }
        } else if looked.workload.remove_at_end {
            // One who reads slowly, or not at all, does not keep it.
            let _ = timeout(LAST_READS, machine.unread()).await;
            if let Err(error) = self.remove_now(id, false).await {
                tracing::warn!(container = %id, %error, "it is not removed");
            }
        }
    }

    /// Unless it was stopped, started or removed meanwhile.
    pub(super) fn start_again<'a>(
        &'a self,
        id: ContainerId,
        machine: &'a Arc<Machine>,
    ) -> BoxFuture<'a, ()> {
        async move {
            let _turn = machine.turn.lock().await;
            let Ok(looked) = self.require(id).await else {
                return;
            };
            if looked.life.status != Status::Restarting || looked.container.runs() {
                return;
            }
            let restarts = looked.life.restarts.saturating_add(1);
            if let Err(error) = self.begin(id, machine, restarts).await {
                tracing::warn!(container = %id, %error, "it does not start again");
            }
        }
        .boxed()
    }
}
