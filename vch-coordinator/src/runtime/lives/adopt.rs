//! What a coordinator finds at its start: containers that run on, that have ended, that are to be started.

use crate::runtime::{Looked, Runtime, RuntimeError, restart, workload::Status};
use std::{collections::BTreeSet, io, sync::Arc};
use vch_ledger::ContainerId;

impl Runtime {
    /// Takes back what runs, and ends and starts what is to be, when the coordinator starts.
    pub async fn adopt(&self) {
        let all = match self.all().await {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(%error, "containers are not taken back");
                return;
            }
        };
        let known = all.iter().map(|looked| looked.container.id.to_string());
        if let Err(error) = self.sweep(&known.collect()).await {
            tracing::warn!(%error, "folders of containers that are gone stay");
        }
        for looked in all {
            let id = looked.container.id;
            if let Err(error) = self.adopt_one(looked).await {
                tracing::warn!(container = %id, %error, "a container is not as it must be");
            }
        }
    }

    /// Removes the folders of containers whose removal a coordinator did not live to end.
    async fn sweep(&self, known: &BTreeSet<String>) -> io::Result<()> {
        let mut folders = match tokio::fs::read_dir(self.0.folders.containers()).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folders => folders?,
        };
        while let Some(folder) = folders.next_entry().await? {
            if !known.contains(&*folder.file_name().to_string_lossy()) {
                tokio::fs::remove_dir_all(folder.path()).await?;
            }
        }
        Ok(())
    }

    async fn adopt_one(&self, looked: Looked) -> Result<(), RuntimeError> {
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
        let looked = self.must(id).await?;
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
