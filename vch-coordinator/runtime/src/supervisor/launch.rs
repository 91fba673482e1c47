//! Starts a container: provides its disks, commits the start, and launches its VM and process.

use super::{Done, Followed, Follower, NOT_LAUNCHED, Supervised};
use crate::{
    ContainerSnapshot, Runtime, RuntimeError, Vms,
    handle::Handle,
    launch::{self, LaunchPaths},
    lifecycle::Launched,
    runtime::document,
    shim,
    uids::Uid,
    workload::{VmSize, Workload},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use vch_engine::RequestError;
use vch_ledger::{Command, ContainerId, DocumentKind};
use vch_shim::{Blame, Launch, Liveness, Outcome};

/// The exit code of a container that was killed while it started: as if its process had been killed
/// by SIGKILL.
const KILLED: u8 = 137;

/// The disk files of a container's VM.
#[derive(Clone, Debug, Default)]
pub(super) struct StartDisks {
    /// The root file system of the container's image.
    image: PathBuf,
    /// The container's writable layer.
    writable: PathBuf,
}

impl Supervised {
    /// Provides the container's disks and commits its start.
    pub(super) fn prepare(&mut self) {
        self.start_began = Instant::now();
        let (runtime, id, handle) = (self.runtime.clone(), self.id, Arc::clone(&self.handle));
        self.beside(async move {
            let prepared = runtime.prepare(id, &handle).await;
            runtime.0.starts.prepared(&prepared);
            Done::Prepared(prepared)
        });
    }

    /// Starts the container's VM and its process.
    pub(super) fn launch(&mut self) {
        self.abort = CancellationToken::new();
        let (runtime, id, handle) = (self.runtime.clone(), self.id, Arc::clone(&self.handle));
        let (abort, disks) = (self.abort.clone(), self.disks.clone());
        let began = self.start_began;
        self.beside(async move {
            let launched = runtime.launched(id, &handle, disks, &abort).await;
            let starts = &runtime.0.starts;
            starts.launched(began, &launched, abort.is_cancelled());
            if launched.is_err() {
                // Without a supervisor that follows it, a VM that was started must not go on.
                runtime.end_for_sure(id).await;
            }
            Done::Launched(Box::new(launched))
        });
    }
}

impl Runtime {
    async fn prepare(&self, id: ContainerId, handle: &Handle) -> Result<StartDisks, RuntimeError> {
        handle.begin_phases();
        let snapshot = self.require(id).await?;
        self.check_orphan(&snapshot).await?;
        let disks = self.disks(&snapshot).await?;
        handle.phase("disks");
        if !snapshot.workload.awaited.is_empty() {
            self.connect_awaited(id, handle).await?;
        }
        // From here on the launch decides the VM's NICs. A network that is connected after names
        // and ports are in force waits until the launch is over.
        handle.show_starting(true);
        let start = Command::StartContainer(id.into());
        self.0.requests.carry_out(start).await?;
        handle.phase("committed");
        Ok(disks)
    }

    /// Refuses a start while a VM of an earlier run still runs: both VMs would write the same disk.
    ///
    /// # Errors
    /// - [`RuntimeError::Orphan`] if such a VM runs.
    /// - [`RuntimeError::File`] if it is not known whether one runs.
    async fn check_orphan(&self, snapshot: &ContainerSnapshot) -> Result<(), RuntimeError> {
        let id = snapshot.container.id;
        match self.liveness(id).await? {
            Liveness::Dead => Ok(()),
            Liveness::Alive(pid) => Err(RuntimeError::Orphan {
                name: snapshot.container.name.to_string(),
                pid,
            }),
            Liveness::Unknown(source) => {
                Err(self.file("find out whether a VM still runs from", id, source))
            }
        }
    }

    /// Connects the container to the networks that were missing, or had no free address, when it
    /// was created.
    ///
    /// # Errors
    /// Returns [`RuntimeError::Request`] if the ledger refuses an endpoint or the network cannot be set up.
    async fn connect_awaited(&self, id: ContainerId, handle: &Handle) -> Result<(), RuntimeError> {
        let _edits = handle.edits.lock().await;
        let snapshot = self.require(id).await?;
        let mut workload = Workload::clone(&snapshot.workload);
        let awaited = workload.awaited.drain(..);
        let mut commands: Vec<Command> = awaited
            .map(|endpoint| Command::Connect(endpoint.connect(id)))
            .collect();
        commands.push(document(&id.into(), DocumentKind::Workload, &workload)?);
        let carried = self.0.requests.carry_out(Command::Batch(commands));
        match carried.await {
            Ok(_) => Ok(()),
            Err(error @ RequestError::Refused(_)) => Err(error.into()),
            Err(error) => {
                // The endpoints were committed and undone again, so they are awaited again.
                self.keep(id, DocumentKind::Workload, &*snapshot.workload)
                    .await?;
                Err(error.into())
            }
        }
    }

    /// Returns the container's disks. Creates the writable layer at the container's first start.
    ///
    /// # Errors
    /// - [`RuntimeError::NoImage`] or [`RuntimeError::Image`] if a disk cannot be made.
    /// - [`RuntimeError::File`] if the container's directory cannot be made.
    async fn disks(&self, snapshot: &ContainerSnapshot) -> Result<StartDisks, RuntimeError> {
        let id = snapshot.container.id;
        let image = self.0.disks.root(&snapshot.workload.image).await?;
        let dir = self.0.dirs.of(id);
        let writable = self.writable_disk(id);
        if !tokio::fs::try_exists(&writable).await.unwrap_or(false) {
            make_dir(&dir).await?;
            let bytes = snapshot.workload.disk_bytes;
            self.0.disks.writable_layer(&writable, bytes).await?;
        }
        Ok(StartDisks { image, writable })
    }

    async fn launched(
        &self,
        id: ContainerId,
        handle: &Handle,
        disks: StartDisks,
        abort: &CancellationToken,
    ) -> Result<(Launched, Follower), RuntimeError> {
        let vms = self.0.vms.as_ref().ok_or(RuntimeError::Disabled)?;
        // The permit is held until the container's process runs. The semaphore is never closed.
        let _boots = abort
            .run_until_cancelled(self.0.boots.acquire())
            .await
            .ok_or_else(killed)?;
        handle.phase("turn");
        // Reads the container again: a network that is connected from here on is plugged into the
        // running VM.
        let snapshot = self.require(id).await?;
        let sockets = self.sockets(&snapshot)?;
        let mut launch = self.launch(&snapshot, vms, sockets, disks)?;
        // The reservation is kept until QEMU runs, since QEMU's process then shows that the user is
        // taken.
        let uid = self.uid(id).await?;
        launch.uid = uid.number;
        let bounds = launch::bounds(&snapshot, vms);
        launch.cgroup = self.0.cgroups.make(id, &bounds).map_err(unbounded)?;
        let vm = VmSize {
            memory_mib: launch.memory_mib,
            cpus: launch.cpus,
        };
        loop {
            let pid = shim::spawn(vms, &launch, &self.0.tasks, abort).await?;
            let follower = Follower::launched(self, id).next();
            let (follower, followed) = abort
                .run_until_cancelled(follower)
                .await
                .ok_or_else(killed)?;
            let outcome = match followed {
                Followed::Ended(outcome) => outcome,
                Followed::Runs(started_ms) => {
                    self.0.cgroups.run(id, &bounds).map_err(unbounded)?;
                    if let Some(template) = &launch.template {
                        self.0.templates.proved(template);
                    }
                    let launched = Launched {
                        started_ms,
                        pid,
                        vm,
                    };
                    return Ok((launched, follower));
                }
            };
            // The template may be the reason that a clone does not start, for example after an
            // upgrade of QEMU or because of a broken disk. Boots without it.
            let blame = outcome.blame();
            let Some(template) = launch.template.take_if(|_| blame != Blame::None) else {
                return Err(not_started(outcome));
            };
            self.0.templates.failed(&template, id, blame).await;
        }
    }

    /// Reserves a user ID that no other VM has.
    ///
    /// # Errors
    /// Returns [`RuntimeError::NotStarted`] if no user ID is free.
    async fn uid(&self, id: ContainerId) -> Result<Uid, RuntimeError> {
        let uids = self.0.uids.clone();
        let taken = tokio::task::spawn_blocking(move || uids.take(id)).await;
        taken
            .ok()
            .flatten()
            .ok_or_else(|| RuntimeError::NotStarted {
                code: NOT_LAUNCHED,
                reason: "no user is free for its VM: stop containers".to_owned(),
            })
    }

    fn launch(
        &self,
        snapshot: &ContainerSnapshot,
        vms: &Vms,
        sockets: &Path,
        disks: StartDisks,
    ) -> Result<Launch, RuntimeError> {
        let paths = LaunchPaths {
            dir: &self.0.dirs.of(snapshot.container.id),
            sockets,
            image_disk: disks.image,
            writable_disk: disks.writable,
        };
        let mut launch = launch::launch(snapshot, vms, paths)?;
        if vms.clones {
            launch.template = self.0.templates.of(vms, &launch);
        }
        Ok(launch)
    }
}

fn killed() -> RuntimeError {
    RuntimeError::NotStarted {
        code: KILLED,
        reason: "it was killed while it started".to_owned(),
    }
}

/// Converts the error of a cgroup file. A VM is not started without its limits.
fn unbounded((path, source): (PathBuf, std::io::Error)) -> RuntimeError {
    RuntimeError::File {
        what: "bound the VM by",
        path,
        source,
    }
}

fn not_started(outcome: Outcome) -> RuntimeError {
    RuntimeError::NotStarted {
        code: outcome.code,
        reason: outcome
            .failure
            .map(|failure| failure.text)
            .unwrap_or_default(),
    }
}

async fn make_dir(dir: &Path) -> Result<(), RuntimeError> {
    tokio::fs::create_dir_all(dir)
        .await
        .map_err(|source| RuntimeError::File {
            what: "make",
            path: dir.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests;
