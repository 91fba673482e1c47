//! Waiting for containers, changing their configuration, and starting their supervisors.

use super::{
    ContainerSnapshot, Runtime, RuntimeError,
    event::ContainerAction,
    handle::{Handle, Seen},
    launch,
    supervisor::Supervisor,
    workload::{Resources, RestartPolicy, RunState, Status, Workload},
};
use std::sync::Arc;
use vch_ledger::{ContainerId, DocumentKind};

/// A change of a container's configuration, as by `docker update`. [`Runtime::update`] applies it.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// The new restart policy; `None` for no change.
    pub restart: Option<RestartPolicy>,
    /// The new limits, which replace all old ones; `None` for no change. A VM's memory and number of processors change
    /// at its next start, its limit of processor time on the host changes at once. Limits inside a running VM are the
    /// caller's to set, by [`vch_shim::Client::update`].
    pub resources: Option<Resources>,
}

/// The condition that [`Runtime::wait`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The container's status is not [`Status::Running`](super::workload::Status::Running). If it does not run now, the
    /// wait is over at once.
    NotRunning,
    /// The container ends, after the wait began. If it does not run now, that is the end of a later run.
    NextExit,
    /// The container is removed, whether it runs until then or not.
    Removed,
}

impl Runtime {
    /// Waits until a container meets a condition or is removed, and returns its run state at that
    /// moment. Waits without limit.
    ///
    /// # Errors
    /// Returns the errors of [`require`](Self::require).
    pub async fn wait(&self, id: ContainerId, until: Until) -> Result<RunState, RuntimeError> {
        Ok(self.awaited(id, until).await?.await)
    }

    /// Begins to wait for a container, and returns a future that ends when the container meets the condition or is
    /// removed, with its run state at that moment. A caller can start the container before it awaits the future: no
    /// change after this function has returned is missed.
    ///
    /// # Errors
    /// Returns the errors of [`require`](Self::require).
    pub async fn awaited(
        &self,
        id: ContainerId,
        until: Until,
    ) -> Result<impl Future<Output = RunState> + Send + use<>, RuntimeError> {
        let snapshot = self.require(id).await?;
        let mut seen = self.handle_of(&snapshot).watch();
        let before = seen.borrow_and_update().ends;
        Ok(async move {
            let done = |seen: &Seen| {
                seen.gone
                    || match until {
                        Until::NotRunning => seen.run_state.status != Status::Running,
                        Until::NextExit => seen.ends > before,
                        Until::Removed => false,
                    }
            };
            let run_state = seen
                .wait_for(done)
                .await
                .ok()
                .map(|seen| seen.run_state.clone());
            match run_state {
                Some(run_state) => run_state,
                // The coordinator is stopping, so that no further change is reported.
                None => std::future::pending().await,
            }
        })
    }

    /// Changes a container's restart policy or limits, as `docker update` does.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
    /// - [`RuntimeError::Document`] if a stored document of the container cannot be read.
    /// - [`RuntimeError::Request`] if the change cannot be stored. Nothing has changed then.
    /// - [`RuntimeError::File`] if the running VM's limits cannot be set. The change is stored
    ///   nevertheless.
    pub async fn update(&self, id: ContainerId, update: Update) -> Result<(), RuntimeError> {
        let handle = self.handle(id).await?;
        let edits = handle.edits.lock().await;
        let snapshot = self.require(id).await?;
        let mut workload = Workload::clone(&snapshot.workload);
        if let Some(restart) = update.restart {
            workload.restart = restart;
        }
        if let Some(resources) = update.resources {
            workload.resources = resources;
        }
        self.keep(id, DocumentKind::Workload, &workload).await?;
        handle.set_policy((&workload).into());
        drop(edits);
        self.bound_again(id).await?;
        self.tell(id, ContainerAction::Updated).await;
        Ok(())
    }

    /// Sets a running VM's limits on the host to the container's present ones.
    ///
    /// # Errors
    /// Returns [`RuntimeError::File`] if the cgroup cannot be written.
    async fn bound_again(&self, id: ContainerId) -> Result<(), RuntimeError> {
        let (Some(vms), snapshot) = (&self.0.vms, self.require(id).await?) else {
            return Ok(());
        };
        if !snapshot.container.runs() {
            return Ok(());
        }
        let bounds = launch::bounds(&snapshot, vms);
        let bounded = self.0.cgroups.run(id, &bounds);
        bounded.map_err(|(path, source)| RuntimeError::File {
            what: "bound the VM by",
            path,
            source,
        })
    }

    /// Returns the handle of a container's supervisor. Starts the supervisor if it does not run
    /// yet.
    pub(super) fn handle_of(&self, snapshot: &ContainerSnapshot) -> Arc<Handle> {
        let id = snapshot.container.id;
        let mut handles = self.handles();
        let handle = handles.entry(id).or_insert_with(|| {
            let (handle, asks) =
                Handle::new(snapshot.run_state.clone(), (&*snapshot.workload).into());
            let handle = Arc::new(handle);
            let supervisor = Supervisor {
                runtime: self.clone(),
                id,
                handle: Arc::clone(&handle),
                asks,
            };
            self.0.tasks.spawn(supervisor.run());
            handle
        });
        Arc::clone(handle)
    }
}

#[cfg(test)]
mod tests;
