//! Requests about a container's run: each is answered by the container's supervisor.

use super::{
    ContainerSnapshot, Runtime, RuntimeError,
    ask::{Answered, Ask},
    blocking::blocking,
    handle::Handle,
    lifecycle::{Answer, Refused, Request},
    runtime::sockets,
};
use std::{io, path::Path, sync::Arc};
use vch_ledger::ContainerId;
use vch_shim::{Client, Outcome, Phase};
use vch_store::WriterError;

pub use super::lifecycle::Stop;

/// SIGKILL.
const KILL: u8 = 9;

/// Starting, stopping, removing. A client that goes away does not leave a container half started.
impl Runtime {
    /// Starts a container. Returns when its process runs, and whether it did not run before.
    ///
    /// # Errors
    /// Returns [`RuntimeError`] if this VCH does not run the container, or if it does not start; it does not run then.
    pub async fn start(&self, id: ContainerId) -> Result<bool, RuntimeError> {
        if self.0.vms.is_none() {
            return Err(RuntimeError::Disabled);
        }
        self.request(id, Request::Start).await
    }

    /// Stops a container: by a signal, then, after a time, by SIGKILL. Returns whether it ran.
    ///
    /// # Errors
    /// Returns [`RuntimeError`] if this VCH does not run the container, or if nothing ends it.
    pub async fn stop(&self, id: ContainerId, how: Stop) -> Result<bool, RuntimeError> {
        self.request(id, Request::Stop(how)).await
    }

    /// Stops a container that runs, and starts it.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`stop`](Self::stop).
    pub async fn restart(&self, id: ContainerId, how: Stop) -> Result<(), RuntimeError> {
        if self.0.vms.is_none() {
            return Err(RuntimeError::Disabled);
        }
        self.request(id, Request::Restart(how)).await?;
        Ok(())
    }

    /// Sends a signal (signal(7)) to a container's process. SIGKILL also ends what goes on of an earlier run.
    ///
    /// # Errors
    /// Returns [`RuntimeError::NotRunning`], or the error of the shim or the guest.
    pub async fn kill(&self, id: ContainerId, signal: u8) -> Result<(), RuntimeError> {
        match self.request(id, Request::Kill(signal)).await {
            Err(RuntimeError::NotRunning(_)) if signal == KILL && self.is_orphan(id).await => {
                self.kill_shim(id).await
            }
            done => done.map(|_| ()),
        }
    }

    /// Removes a container; one that runs is ended first if `force` says so.
    ///
    /// # Errors
    /// Returns [`RuntimeError::Running`] without `force`, and others.
    pub async fn remove(&self, id: ContainerId, force: bool) -> Result<(), RuntimeError> {
        self.request(id, Request::Remove { force }).await?;
        Ok(())
    }

    /// Stores why a container was not started, in the words that users of the API know.
    ///
    /// # Errors
    /// Returns [`RuntimeError`] if it can't be stored.
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
            // The coordinator stops: the next one finds how far it came.
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

    /// Returns the handle of a container's supervisor, which is started if there is none yet.
    ///
    /// # Errors
    /// Returns [`RuntimeError`] if this VCH does not run the container, or if its documents can't be read.
    pub(super) async fn handle(&self, id: ContainerId) -> Result<Arc<Handle>, RuntimeError> {
        if let Some(handle) = self.known_handle(id) {
            return Ok(handle);
        }
        let snapshot = self.require(id).await?;
        Ok(self.handle_of(&snapshot))
    }

    /// Removes what is kept of a container whose row was removed by the native API, which does not know whether
    /// its VM runs: then its directory stays, and is told of at the next start.
    pub async fn discard_removed(&self, id: ContainerId) {
        let dirs = self.0.dirs.clone();
        if let Err(error) = blocking(move || dirs.discard_unused(id)).await {
            tracing::warn!(container = %id, %error, "its directory stays");
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

    /// Returns a client of the shim of a container.
    ///
    /// # Errors
    /// Returns [`RuntimeError::NotOurs`] if another program runs the container.
    pub fn client(&self, snapshot: &ContainerSnapshot) -> Result<Client, RuntimeError> {
        Ok(Client::at(self.sockets(snapshot)?))
    }

    /// Returns the directory of a container's sockets.
    pub(super) fn sockets<'a>(
        &self,
        snapshot: &'a ContainerSnapshot,
    ) -> Result<&'a Path, RuntimeError> {
        sockets(&snapshot.container.channel)
            .ok_or_else(|| RuntimeError::NotOurs(snapshot.container.name.to_string()))
    }

    /// Returns what came when at a container's last start: the coordinator's phases, then the shim's and the
    /// guest's; without the coordinator's if another coordinator started it.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn trace(&self, id: ContainerId) -> Result<Vec<Phase>, RuntimeError> {
        let snapshot = self.require(id).await?;
        let mut phases = self.handle_of(&snapshot).phases();
        let own = match self.client(&snapshot)?.watch().await {
            Ok(mut stages) => stages.next().await?.phases,
            Err(_) => Outcome::read(&self.0.dirs.of(id))
                .ok()
                .flatten()
                .map(|outcome| outcome.phases)
                .unwrap_or_default(),
        };
        phases.extend(own);
        Ok(phases)
    }
}
