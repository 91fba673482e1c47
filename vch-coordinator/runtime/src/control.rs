//! Sends requests to a container's supervisor, the task that controls the container's run, and
//! returns its answers.

use super::{
    ContainerSnapshot, Runtime, RuntimeError,
    ask::{Answered, Ask},
    blocking::blocking,
    handle::Handle,
    lifecycle::{Answer, Refused, Request},
    runtime::sockets,
};
use std::{io, path::Path, sync::Arc, time::Duration};
use tokio::time::timeout;
use vch_ledger::ContainerId;
use vch_shim::{Client, ClientError, Outcome, Phase, Stage};
use vch_store::WriterError;

pub use super::lifecycle::Stop;

/// SIGKILL.
const KILL: u8 = 9;
/// How long a shim may take to tell the stage of its VM, which it knows at once.
const STAGE: Duration = Duration::from_secs(10);

/// Requests that start, stop or remove a container. They are carried out even if the client that
/// sent them goes away.
impl Runtime {
    /// Starts a container, and returns when its process runs: `true` if this request started it, `false` if the process
    /// ran already or another request started it meanwhile.
    ///
    /// # Errors
    /// If an error is returned, the container does not run:
    /// - [`RuntimeError::Disabled`] if the coordinator is configured to start no VMs.
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
    /// - [`RuntimeError::Orphan`] if the VM of an earlier run still runs.
    /// - [`RuntimeError::Removing`] if the container is being removed.
    /// - [`RuntimeError::NotStarted`] and others if the start fails.
    pub async fn start(&self, id: ContainerId) -> Result<bool, RuntimeError> {
        if self.0.vms.is_none() {
            return Err(RuntimeError::Disabled);
        }
        self.request(id, Request::Start).await
    }

    /// Stops a container: sends its stop signal, and sends SIGKILL if it still runs after the grace period. Returns
    /// when the container has ended: `true` if this request ended it or its wait for a restart, `false` if it did not
    /// run.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
    /// - [`RuntimeError::Removing`] if the container is being removed.
    /// - [`RuntimeError::Unkillable`] if the VM does not end.
    pub async fn stop(&self, id: ContainerId, how: Stop) -> Result<bool, RuntimeError> {
        self.request(id, Request::Stop(how)).await
    }

    /// Stops a container as [`stop`](Self::stop) does if it runs, then starts it. Returns when its
    /// new process runs.
    ///
    /// # Errors
    /// - The errors of [`start`](Self::start).
    /// - The errors of [`stop`](Self::stop).
    pub async fn restart(&self, id: ContainerId, how: Stop) -> Result<(), RuntimeError> {
        if self.0.vms.is_none() {
            return Err(RuntimeError::Disabled);
        }
        self.request(id, Request::Restart(how)).await?;
        Ok(())
    }

    /// Sends a signal (signal(7)) to a container's main process. With SIGKILL (9) it returns when the container has
    /// ended, with other signals once the guest's init has taken the signal. If the container has ended but its VM
    /// still runs, SIGKILL ends that VM.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
    /// - [`RuntimeError::NotRunning`] if the container does not run.
    /// - [`RuntimeError::Shim`] if the VM's shim process does not answer, or if the guest cannot send the signal.
    /// - [`RuntimeError::Unkillable`] if the VM does not end by SIGKILL.
    /// - [`RuntimeError::File`] if the process of a VM that outlived its container cannot be found or killed.
    pub async fn kill(&self, id: ContainerId, signal: u8) -> Result<(), RuntimeError> {
        match self.request(id, Request::Kill(signal)).await {
            Err(RuntimeError::NotRunning(_)) if signal == KILL && self.is_orphan(id).await => {
                self.kill_shim(id).await
            }
            done => done.map(|_| ()),
        }
    }

    /// Removes a container from the ledger and deletes its files. With `force`, ends it first if it runs or waits for a
    /// restart.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
    /// - [`RuntimeError::Running`] if the container runs or waits for a restart and `force` is false.
    /// - [`RuntimeError::Removing`] if its removal is already under way and `force` is false.
    /// - [`RuntimeError::Unkillable`] if the VM does not end.
    /// - [`RuntimeError::File`] if the container's directory cannot be marked for removal.
    /// - [`RuntimeError::Request`] if the removal cannot be stored.
    pub async fn remove(&self, id: ContainerId, force: bool) -> Result<(), RuntimeError> {
        self.request(id, Request::Remove { force }).await?;
        Ok(())
    }

    /// Stores why a container was not started, as
    /// [`RunState::error`](super::workload::RunState::error). An API calls this after a failed
    /// start, with the text that it showed to its user.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
    /// - [`RuntimeError::Request`] if the reason cannot be stored.
    pub async fn not_started(&self, id: ContainerId, reason: &str) -> Result<(), RuntimeError> {
        let handle = self.handle(id).await?;
        let answer = handle.ask(|reply| Ask::Explain(reason.to_owned(), reply));
        self.outcome_of(id, answer.await).await?;
        Ok(())
    }

    async fn request(&self, id: ContainerId, request: Request) -> Result<bool, RuntimeError> {
        let handle = self.handle(id).await?;
        let answer = handle.request(request).await;
        self.outcome_of(id, answer).await
    }

    async fn outcome_of(
        &self,
        id: ContainerId,
        answer: Option<Answered>,
    ) -> Result<bool, RuntimeError> {
        let refused = match answer {
            Some(Answer::Done) => return Ok(true),
            Some(Answer::Unchanged) => return Ok(false),
            Some(Answer::Refused(refused)) => refused,
            // The coordinator is stopping. The next one finds how far the request came.
            None => return Err(WriterError::Ended.into()),
        };
        Err(match refused {
            Refused::NotRunning => RuntimeError::NotRunning(id.to_string()),
            Refused::NotRemovable(state) => RuntimeError::Running {
                name: self.require(id).await?.container.name.to_string(),
                state,
            },
            Refused::Removing => RuntimeError::Removing(id.to_string()),
            Refused::Gone => RuntimeError::NotOurs(id.to_string()),
            Refused::Unkillable => RuntimeError::Unkillable(id.to_string()),
            Refused::Failed(error) => Arc::try_unwrap(error).unwrap_or_else(RuntimeError::shared),
        })
    }

    /// Returns the handle of a container's supervisor. Starts the supervisor if it does not run
    /// yet.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
    /// - [`RuntimeError::Document`] if a document of the container cannot be read.
    pub(super) async fn handle(&self, id: ContainerId) -> Result<Arc<Handle>, RuntimeError> {
        if let Some(handle) = self.known_handle(id) {
            return Ok(handle);
        }
        let snapshot = self.require(id).await?;
        Ok(self.handle_of(&snapshot))
    }

    /// Deletes the directory of a container that the native API has removed from the ledger, and ends the container's
    /// supervisor. If a process still has files of the directory open (the container's VM runs), the directory stays,
    /// and the coordinator reports it at its next start. Errors are logged.
    pub async fn discard_removed(&self, id: ContainerId) {
        let dirs = self.0.dirs.clone();
        if let Err(error) = blocking(move || dirs.discard_unused(id)).await {
            tracing::warn!(container = %id, %error, "directory of a removed container not deleted");
        }
        if let Some(handle) = self.known_handle(id) {
            handle.tell(Ask::RowRemoved).await;
        }
    }

    pub(super) fn file(
        &self,
        what: &'static str,
        id: ContainerId,
        source: io::Error,
    ) -> RuntimeError {
        RuntimeError::File {
            what,
            path: self.0.dirs.of(id),
            source,
        }
    }

    /// Returns a client of the shim process of a container's VM. Does not connect yet.
    ///
    /// # Errors
    /// Returns [`RuntimeError::NotOurs`] if another program runs the container.
    pub fn client(&self, snapshot: &ContainerSnapshot) -> Result<Client, RuntimeError> {
        Ok(Client::at(self.sockets(snapshot)?))
    }

    /// Returns the directory of a container's sockets.
    ///
    /// # Errors
    /// Returns [`RuntimeError::NotOurs`] if another program runs the container.
    pub(super) fn sockets<'a>(
        &self,
        snapshot: &'a ContainerSnapshot,
    ) -> Result<&'a Path, RuntimeError> {
        sockets(&snapshot.container.channel)
            .ok_or_else(|| RuntimeError::NotOurs(snapshot.container.name.to_string()))
    }

    /// Returns the phases of a container's last start, each with the time at which it ended: first the coordinator's
    /// phases, then those of the shim process and the guest. The coordinator's phases are missing if the coordinator
    /// was restarted since; all are missing if the container was never started.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
    /// - [`RuntimeError::Shim`] if the container runs and its shim does not answer.
    pub async fn trace(&self, id: ContainerId) -> Result<Vec<Phase>, RuntimeError> {
        let snapshot = self.require(id).await?;
        let mut phases = self.handle_of(&snapshot).phases();
        let own = match self.stage(&snapshot).await {
            Ok(stage) => stage.phases,
            Err(RuntimeError::Shim(ClientError::Gone(_))) => Outcome::read(&self.0.dirs.of(id))
                .ok()
                .flatten()
                .map(|outcome| outcome.phases)
                .unwrap_or_default(),
            Err(error) => return Err(error),
        };
        phases.extend(own);
        Ok(phases)
    }

    /// Returns the present stage of a container's VM.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if another program runs the container.
    /// - [`RuntimeError::Shim`] if the shim does not answer.
    pub(super) async fn stage(&self, snapshot: &ContainerSnapshot) -> Result<Stage, RuntimeError> {
        let client = self.client(snapshot)?;
        let stage = timeout(STAGE, async { client.watch().await?.next().await });
        let stage = stage.await.unwrap_or(Err(ClientError::Timeout(STAGE)));
        Ok(stage?)
    }
}

#[cfg(test)]
mod tests;
