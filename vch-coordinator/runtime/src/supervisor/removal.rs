//! Ends a VM by force, and removes its container.

use super::{Done, Supervised};
use crate::{Runtime, RuntimeError, blocking::blocking, lifecycle::Event};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use vch_ledger::{Command, ContainerId};
use vch_log::error_chain;
use vch_shim::Liveness;

/// How long a shim may take to end after it was told to end its VM.
const END_GRACE: Duration = Duration::from_secs(20);
/// The interval at which [`Runtime::until_dead`] checks whether a shim has ended.
const LOOK: Duration = Duration::from_millis(100);
/// The pause before the supervisor tries again to end a shim.
const AGAIN: Duration = Duration::from_secs(1);

impl Supervised {
    /// Tells the shim to end the VM.
    pub(super) fn end_vm(&self) {
        let (runtime, id) = (self.runtime.clone(), self.id);
        self.beside(async move {
            // A shim that does not answer is killed later.
            let _ = runtime.end_vm(id).await;
            Done::Nothing
        });
    }

    /// Kills the shim, and the VM with it.
    pub(super) fn end_shim(&self) {
        let (runtime, id) = (self.runtime.clone(), self.id);
        self.beside(async move {
            if let Err(error) = runtime.kill_shim(id).await {
                tracing::warn!(container = %id, error = error_chain(&error), "shim not killed");
            }
            Done::Nothing
        });
    }

    /// Removes the container from the ledger. First marks the container's directory, so that the
    /// next coordinator knows that it may delete it.
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

    /// Removes the container's directory. Files that cannot be removed now are removed at the
    /// coordinator's next start.
    pub(super) async fn discard(&mut self) {
        let (dirs, id) = (self.runtime.0.dirs.clone(), self.id);
        if let Err(error) = blocking(move || dirs.discard(id)).await {
            tracing::warn!(container = %id, %error, "directory of a removed container not deleted; deleting it at the next start");
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

    /// Ends everything that a failed launch has left, and returns when nothing is left.
    pub(super) async fn end_for_sure(&self, id: ContainerId) {
        loop {
            // If it can, the shim ends its VM in order.
            let _ = self.end_vm(id).await;
            if timeout(END_GRACE, self.until_dead(id)).await.is_ok() {
                return;
            }
            if let Err(error) = self.kill_shim(id).await {
                tracing::warn!(container = %id, error = error_chain(&error), "VM of a failed start still runs; ending it again");
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
            // The VM outlived an earlier run, and its removal by force was requested.
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
            // The removal may have been committed although its answer is lost. The ledger then does
            // not know the container, and the next start moves its directory to `lost/`.
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

#[cfg(test)]
mod tests;
