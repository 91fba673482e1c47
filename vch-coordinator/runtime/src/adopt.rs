//! Takes over all containers when the coordinator starts: follows those that run, records the end
//! of those that have ended, and starts those that their restart policy wants to run.

use super::{ContainerSnapshot, Runtime, RuntimeError, ask::Ask, blocking::blocking};
use vch_log::error_chain;
use vch_shim::Liveness;

impl Runtime {
    /// Takes over all containers: follows those that still run, records the end of those that have
    /// ended, and starts those that their restart policy wants to run. The coordinator calls this
    /// once, at its start. Errors are logged.
    pub async fn adopt(&self) {
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "containers' directories not cleaned up");
        }
        let all = match self.all().await {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(%error, "containers not adopted");
                return;
            }
        };
        for snapshot in all {
            self.adopt_one(&snapshot).await;
        }
    }

    /// Cleans up the directories of containers: completes committed removals, and moves directories
    /// that the ledger does not know to `lost/`. A container whose documents cannot be read counts
    /// as known.
    ///
    /// # Errors
    /// - [`RuntimeError::Request`] if the ledger has ended.
    /// - [`RuntimeError::File`] if the directory of all containers cannot be read.
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
            tracing::error!(path = %path.display(), "container unknown to the ledger; its directory was moved to this path");
        }
        for words in &swept.left {
            tracing::error!("{words}");
        }
        self.note_left(swept.left);
        Ok(())
    }

    /// Starts a container's supervisor, which follows the container if it runs and otherwise
    /// applies its restart policy. A container whose VM still runs although the container has ended
    /// gets no supervisor and is noted as an orphan.
    async fn adopt_one(&self, snapshot: &ContainerSnapshot) {
        let id = snapshot.container.id;
        if snapshot.container.runs() {
            self.handle_of(snapshot);
            return;
        }
        match self.liveness(id).await {
            Ok(Liveness::Dead) => {}
            Ok(Liveness::Alive(pid)) => {
                tracing::error!(container = %snapshot.container.name, pid, "VM still runs although its container has ended");
                self.note_orphan(id);
                return;
            }
            Ok(Liveness::Unknown(error)) => {
                tracing::warn!(container = %id, %error, "unknown whether a VM of the container still runs");
            }
            Err(error) => {
                tracing::warn!(container = %id, error = error_chain(&error), "container not adopted");
                return;
            }
        }
        self.handle_of(snapshot).tell(Ask::CoordinatorStarted).await;
    }
}

#[cfg(test)]
mod tests;
