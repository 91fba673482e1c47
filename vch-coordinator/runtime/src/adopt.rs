//! What a coordinator finds at its start: containers that run on, that have ended, that are to be started.

use super::{ContainerSnapshot, Runtime, RuntimeError, ask::Ask, blocking::blocking};
use vch_log::error_chain;
use vch_shim::Liveness;

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
        for snapshot in all {
            self.adopt_one(&snapshot).await;
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

    /// Lets a container be supervised: what runs is followed, what is to run is started by its policy.
    async fn adopt_one(&self, snapshot: &ContainerSnapshot) {
        let id = snapshot.container.id;
        if snapshot.container.runs() {
            self.handle_of(snapshot);
            return;
        }
        match self.liveness(id).await {
            Ok(Liveness::Dead) => {}
            Ok(Liveness::Alive(pid)) => {
                tracing::error!(container = %snapshot.container.name, pid, "a VM goes on although its container has ended");
                self.note_orphan(id);
                return;
            }
            Ok(Liveness::Unknown(error)) => {
                tracing::warn!(container = %id, %error, "whether a VM of it goes on is not known");
            }
            Err(error) => {
                tracing::warn!(container = %id, error = error_chain(&error), "a container is not looked at");
                return;
            }
        }
        self.handle_of(snapshot).tell(Ask::CoordinatorStarted).await;
    }
}
