//! Containers that this VCH runs itself: awaited, changed, supervised.

use super::{
    ContainerSnapshot, Runtime, RuntimeError,
    event::ContainerAction,
    handle::{Handle, Seen},
    launch,
    supervisor::Supervisor,
    workload::{Life, Resources, RestartPolicy, Status, Workload},
};
use std::sync::Arc;
use vch_ledger::{ContainerId, DocumentKind};

/// What of a workload may change.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// When it is started again.
    pub restart: Option<RestartPolicy>,
    /// What its VM has from its next start on; of the host's processors at once.
    pub resources: Option<Resources>,
}

/// Until when a container is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// It does not run; at once if it does not now.
    NotRunning,
    /// It ends once more.
    NextExit,
    /// It is removed.
    Removed,
}

impl Runtime {
    /// Waits for a container; answers with how its life is then. Never ends for one that stays as it is.
    ///
    /// # Errors
    /// [`RuntimeError`]: it is not there now.
    pub async fn wait(&self, id: ContainerId, until: Until) -> Result<Life, RuntimeError> {
        Ok(self.awaited(id, until).await?.await)
    }

    /// The same in two steps: when this is answered, nothing that happens from now on is missed.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn awaited(
        &self,
        id: ContainerId,
        until: Until,
    ) -> Result<impl Future<Output = Life> + Send + use<>, RuntimeError> {
        let snapshot = self.require(id).await?;
        let mut seen = self.handle_of(&snapshot).watch();
        let before = seen.borrow_and_update().ends;
        Ok(async move {
            let done = |seen: &Seen| {
                seen.gone
                    || match until {
                        Until::NotRunning => seen.life.status != Status::Running,
                        Until::NextExit => seen.ends > before,
                        Until::Removed => false,
                    }
            };
            let life = seen.wait_for(done).await.ok().map(|seen| seen.life.clone());
            match life {
                Some(life) => life,
                // The coordinator stops: nobody will tell any more.
                None => std::future::pending().await,
            }
        })
    }

    /// Changes what of a workload may change.
    ///
    /// # Errors
    /// [`RuntimeError`]; nothing has changed then.
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

    /// Lets the host's kernel give a running VM the processors that its container asks for by now.
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

    /// Returns the handle of a container's supervisor, which is started if there is none yet.
    pub(super) fn handle_of(&self, snapshot: &ContainerSnapshot) -> Arc<Handle> {
        let id = snapshot.container.id;
        let mut handles = self.handles();
        let handle = handles.entry(id).or_insert_with(|| {
            let (handle, asks) = Handle::new(snapshot.life.clone(), (&*snapshot.workload).into());
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
