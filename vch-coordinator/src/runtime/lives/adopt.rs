//! What a coordinator finds at its start: containers that run on, that have ended, that are to be started.

use super::blocking;
use crate::runtime::{ContainerSnapshot, Runtime, RuntimeError, restart, workload::Status};
use std::sync::Arc;
use vch_ledger::ContainerId;

impl Runtime {
    /// Takes back what runs, and ends and starts what is to be, when the coordinator starts.
    pub async fn adopt(&self) {
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "the directories of containers are not looked at");
        }
        let all = match self.all().await {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(%error, "containers are not taken back");
                return;
            }
        };
        for looked in all {
            let id = looked.container.id;
            if let Err(error) = self.adopt_one(looked).await {
                tracing::warn!(container = %id, %error, "a container is not as it must be");
            }
        }
    }

    /// Looks at the directories of containers: ends removals that a coordinator did not live to end, and
    /// moves aside what the ledger does not know. One whose documents can't be read is known.
    async fn sweep(&self) -> Result<(), RuntimeError> {
        let known = self.0.requests.ledger_handle.read(|ledger| {
            let ids = ledger.containers().map(|one| one.id.to_string());
            ids.collect()
        });
        let known = known.await?;
        let dirs = self.0.dirs.clone();
        let swept = blocking(move || dirs.sweep(&known)).await;
        let swept = swept.map_err(|source| RuntimeError::File {
            what: "read",
            path: self.0.dirs.containers(),
            source,
        })?;
        for path in &swept.lost {
            tracing::error!(path = %path.display(), "the ledger does not know a container: its directory is kept here");
        }
        for words in &swept.left {
            tracing::error!("{words}");
        }
        self.note_left(swept.left);
        Ok(())
    }

    async fn adopt_one(&self, looked: ContainerSnapshot) -> Result<(), RuntimeError> {
        let id = looked.container.id;
        let machine = self.machine(id, &looked.life);
        let runs = looked.container.runs();
        if runs {
            if let Ok(stages) = self.client(&looked)?.watch().await {
                tracing::info!(container = %looked.container.name, "its VM runs on");
                self.follow(id, Arc::clone(&machine), stages);
                return Ok(());
            }
            let outcome = self.outcome(id);
            self.finish(id, &machine, outcome).await?;
        }
        // One that waited to be started again has ended without a user's doing, too.
        let was_running = runs || looked.life.status == Status::Restarting;
        let looked = self.require(id).await?;
        if restart::at_start(&looked.workload.restart, &looked.life, was_running) {
            self.start_beside(id);
        } else {
            self.give_up_restarting(id, &machine).await?;
            if runs && looked.workload.remove_at_end {
                self.remove_now(id, false).await?;
            }
        }
        Ok(())
    }

    /// A VM takes its time: the next container is looked at meanwhile.
    fn start_beside(&self, id: ContainerId) {
        let runtime = self.clone();
        self.0.tasks.spawn(async move {
            if let Err(error) = runtime.start_now(id).await {
                tracing::warn!(container = %id, %error, "it is not started again");
            }
        });
    }
}
