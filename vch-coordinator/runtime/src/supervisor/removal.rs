//! The end of a VM by force, and the removal of its container.

use super::{Done, Supervised};
use crate::{Runtime, RuntimeError, blocking::blocking, lifecycle::Event};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use vch_ledger::{Command, ContainerId};
use vch_log::error_chain;
use vch_shim::Liveness;

/// From the word that ends a VM until its shim is gone.
const END_GRACE: Duration = Duration::from_secs(20);
/// Between two looks whether a shim is gone.
const LOOK: Duration = Duration::from_millis(100);
/// Before it is tried again to end a shim.
const AGAIN: Duration = Duration::from_secs(1);

impl Supervised {
    /// Lets the shim end the VM.
    pub(super) fn end_vm(&self) {
        let (runtime, id) = (self.runtime.clone(), self.id);
        self.beside(async move {
            // One that does not hear is killed later.
            let _ = runtime.end_vm(id).await;
            Done::Nothing
        });
    }

    /// Kills the shim.
    pub(super) fn end_shim(&self) {
        let (runtime, id) = (self.runtime.clone(), self.id);
        self.beside(async move {
            if let Err(error) = runtime.kill_shim(id).await {
                tracing::warn!(container = %id, error = error_chain(&error), "the shim of a container is not killed");
            }
            Done::Nothing
        });
    }

    /// Commits a removal, with a mark in the container's directory that tells the next coordinator that it may
    /// end it.
    pub(super) async fn remove_row(&mut self) {
        self.removed = self.runtime.get(self.id).await.ok().flatten();
        let (runtime, id) = (self.runtime.clone(), self.id);
        self.beside(async move {
            let event = match runtime.remove_row(id).await {
                Ok(()) => Event::RowRemoved,
                Err(error) => Event::RowKept(Arc::new(error)),
            };
            Done::Event(event)
        });
    }

    /// Removes the container's directory; what stays goes at the coordinator's next start.
    pub(super) async fn discard(&mut self) {
        let (dirs, id) = (self.runtime.0.dirs.clone(), self.id);
        if let Err(error) = blocking(move || dirs.discard(id)).await {
            tracing::warn!(container = %id, %error, "the directory of a removed container stays until the next start");
        }
        let cgroups = self.runtime.0.cgroups.clone();
        self.runtime.0.tasks.spawn(cgroups.remove(id));
        self.runtime.forget(id, &self.handle);
        self.handle.show_removal();
    }
}

impl Runtime {
    async fn end_vm(&self, id: ContainerId) -> Result<(), RuntimeError> {
        let snapshot = self.require(id).await?;
        Ok(self.client(&snapshot)?.kill().await?)
    }

    /// Ends whatever a launch that failed has left, and comes back when nothing is left.
    pub(super) async fn end_for_sure(&self, id: ContainerId) {
        loop {
            // The shim ends its VM in order, if it can.
            let _ = self.end_vm(id).await;
            if timeout(END_GRACE, self.until_dead(id)).await.is_ok() {
                return;
            }
            if let Err(error) = self.kill_shim(id).await {
                tracing::warn!(container = %id, error = error_chain(&error), "a VM that did not start goes on, and is ended again");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn until_dead(&self, id: ContainerId) {
        while !matches!(
            self.liveness(id).await,
            Ok(Liveness::Dead) | Err(RuntimeError::NotOurs(_))
        ) {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn remove_row(&self, id: ContainerId) -> Result<(), RuntimeError> {
        if let Ok(Liveness::Alive(_)) = self.liveness(id).await {
            // An orphan, whose removal by force was asked for.
            self.kill_shim(id).await?;
        }
        let dirs = self.0.dirs.clone();
        let marked = blocking(move || dirs.mark_removal(id)).await;
        marked.map_err(|source| self.file("mark for removal", id, source))?;
        let command = Command::RemoveContainer {
            container: id.into(),
            force: true,
        };
        if let Err(error) = self.0.requests.carry_out(command).await {
            let dirs = self.0.dirs.clone();
            // It may be that it was committed and its answer is lost: then the ledger does not know it, and
            // its directory is kept aside at the next start.
            let _ = blocking(move || {
                dirs.unmark_removal(id);
                Ok(())
            })
            .await;
            return Err(error.into());
        }
        Ok(())
    }
}
