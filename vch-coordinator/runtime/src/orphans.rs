//! Orphans: VMs that still run although their containers have ended. They are found and shown, and
//! killed only on request.

use super::{Runtime, RuntimeError, blocking::blocking};
use std::time::Duration;
use tokio::time::timeout;
use vch_ledger::ContainerId;
use vch_shim::{Liveness, ShimProcess};

/// How long a shim may take to end after SIGKILL.
const END_GRACE: Duration = Duration::from_secs(20);

impl Runtime {
    /// Returns whether a container's shim runs.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
    /// - [`RuntimeError::Document`] if a document of the container cannot be read.
    pub(super) async fn liveness(&self, id: ContainerId) -> Result<Liveness, RuntimeError> {
        let snapshot = self.require(id).await?;
        let sockets = self.sockets(&snapshot)?.to_owned();
        let dir = self.0.dirs.of(id);
        let looked = blocking(move || Ok(vch_shim::liveness(&dir, &sockets))).await;
        Ok(looked.unwrap_or_else(Liveness::Unknown))
    }

    /// Kills a container's shim by SIGKILL, and its VM with it, and waits until it has ended. Does
    /// nothing if the shim does not run.
    ///
    /// # Errors
    /// - [`RuntimeError::File`] if the shim cannot be found or killed.
    /// - [`RuntimeError::Unkillable`] if it still runs 20 s after SIGKILL.
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
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

    /// Returns one message for each VM that still runs although its container has ended.
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

    /// Returns whether a container's VM still runs although the container has ended.
    pub(super) async fn is_orphan(&self, id: ContainerId) -> bool {
        matches!(self.liveness(id).await, Ok(Liveness::Alive(_)))
    }
}

#[cfg(test)]
mod tests;
