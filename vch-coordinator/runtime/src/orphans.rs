//! VMs that go on although their containers have ended: found, shown, and killed only if somebody asks for it.

use super::{Runtime, RuntimeError, blocking::blocking};
use std::time::Duration;
use tokio::time::timeout;
use vch_ledger::ContainerId;
use vch_shim::{Liveness, ShimProcess};

/// From SIGKILL until a shim is gone.
const END_GRACE: Duration = Duration::from_secs(20);

impl Runtime {
    /// Returns whether a container's shim is there.
    pub(super) async fn liveness(&self, id: ContainerId) -> Result<Liveness, RuntimeError> {
        let snapshot = self.require(id).await?;
        let sockets = self.sockets(&snapshot)?.to_owned();
        let dir = self.0.dirs.of(id);
        let looked = blocking(move || Ok(vch_shim::liveness(&dir, &sockets))).await;
        Ok(looked.unwrap_or_else(Liveness::Unknown))
    }

    /// Kills the shim of a container by SIGKILL, and its VM with it, and waits for its end.
    ///
    /// # Errors
    /// Returns [`RuntimeError`] if the shim can't be found or killed. One that is not there is no error.
    pub(super) async fn kill_shim(&self, id: ContainerId) -> Result<(), RuntimeError> {
        let snapshot = self.require(id).await?;
        let sockets = self.sockets(&snapshot)?.to_owned();
        let dir = self.0.dirs.of(id);
        let opened = blocking(move || ShimProcess::open(&dir, &sockets)).await;
        let failed = |source| self.file("end the shim of", id, source);
        let Some(shim) = opened.map_err(failed)? else {
            return Ok(());
        };
        shim.kill().map_err(failed)?;
        match timeout(END_GRACE, shim.ended()).await {
            Ok(ended) => ended.map_err(failed),
            Err(_) => Err(RuntimeError::Unkillable(id.to_string())),
        }
    }

    pub(super) fn note_orphan(&self, id: ContainerId) {
        self.findings().orphans.push(id);
    }

    /// Returns the VMs that still go on although their containers had ended, in words.
    pub(super) async fn orphans(&self) -> Vec<String> {
        let mut messages = Vec::new();
        let noted = self.findings().orphans.clone();
        for id in noted {
            let (Ok(Liveness::Alive(pid)), Ok(snapshot)) =
                (self.liveness(id).await, self.require(id).await)
            else {
                continue;
            };
            if !snapshot.container.runs() {
                let name = snapshot.container.name.to_string();
                messages.push(RuntimeError::Orphan { name, pid }.to_string());
            }
        }
        messages
    }

    /// Returns whether a container's VM goes on although the container has ended.
    pub(super) async fn is_orphan(&self, id: ContainerId) -> bool {
        matches!(self.liveness(id).await, Ok(Liveness::Alive(_)))
    }
}
