//! From a container that does not run to its process, or back.

use super::{END_GRACE, NOT_LAUNCHED, change::Change, not_ours, sockets};
use crate::{
    error_chain::error_chain,
    requests::RequestError,
    runtime::{
        ContainerSnapshot, Runtime, RuntimeError, Vms,
        containers::document,
        event::now_ms,
        launch::{self, LaunchPaths},
        machine::Machine,
        shim,
        uids::Uid,
        workload::{Life, Status, VmSize, Workload},
    },
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::time::timeout;
use vch_ledger::{Command, ContainerId, DocumentKind};
use vch_shim::{Blame, Client, ClientError, Launch, Outcome, Stages};

/// A container whose process runs.
struct Begun {
    looked: ContainerSnapshot,
    stages: Stages,
    pid: u32,
    started_ms: u64,
    vm: VmSize,
}

impl Runtime {
    /// Starts a container, whose turn the caller has; `restarts` times its policy did so in a row.
    pub(super) async fn begin(
        &self,
        id: ContainerId,
        machine: &Arc<Machine>,
        restarts: u32,
    ) -> Result<(), RuntimeError> {
        let vms = self.0.vms.as_ref().ok_or(RuntimeError::Disabled)?;
        machine.begin_phases();
        let disks = self.disks(id).await?;
        machine.phase("disks");
        self.commit_start(id).await?;
        machine.phase("committed");
        match self.launched(id, machine, vms, disks).await {
            Ok(begun) => {
                let running = |looked: &ContainerSnapshot| {
                    Some(Change::started(Life {
                        status: Status::Running,
                        started_ms: begun.started_ms,
                        pid: begun.pid,
                        vm: begun.vm,
                        exit_code: 0,
                        error: String::new(),
                        out_of_memory: false,
                        stopped_by_user: false,
                        restarts,
                        ..looked.life.clone()
                    }))
                };
                self.change(id, machine, running).await?;
                self.tell_of(&begun.looked, "start", &[]);
                self.follow(id, Arc::clone(machine), begun.stages);
                Ok(())
            }
            Err(error) => {
                let (code, reason) = match &error {
                    RuntimeError::NotStarted { code, reason } => (*code, reason.clone()),
                    other => (NOT_LAUNCHED, error_chain(other).to_string()),
                };
                // Whatever came of it ends: nobody would follow it.
                self.end_shim(id).await?;
                let stopped = |looked: &ContainerSnapshot| {
                    Some(Change::ended(Life {
                        status: Status::Created,
                        exit_code: code.into(),
                        error: reason,
                        finished_ms: now_ms(),
                        pid: 0,
                        restarts,
                        ..looked.life.clone()
                    }))
                };
                self.change(id, machine, stopped).await?;
                Err(error)
            }
        }
    }

    /// Names and ports are in force from here on.
    async fn commit_start(&self, id: ContainerId) -> Result<(), RuntimeError> {
        let looked = self.require(id).await?;
        if !looked.workload.awaited.is_empty() {
            self.connect_awaited(&looked).await?;
        }
        let start = Command::StartContainer(id.into());
        self.0.requests.carry_out(start).await?;
        Ok(())
    }

    /// The endpoints that it had to wait for become its own, before it runs: a running VM's NICs are plugged,
    /// which waits for its start.
    async fn connect_awaited(&self, looked: &ContainerSnapshot) -> Result<(), RuntimeError> {
        let id = looked.container.id;
        let mut workload = Workload::clone(&looked.workload);
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
                // It was committed, and undone: the endpoints are awaited again.
                self.keep(id, DocumentKind::Workload, &*looked.workload)
                    .await?;
                Err(error.into())
            }
        }
    }

    /// Ends a shim of which nothing more is wanted, if there is one.
    async fn end_shim(&self, id: ContainerId) -> Result<(), RuntimeError> {
        let looked = self.require(id).await?;
        let client = self.client(&looked)?;
        let Ok(mut stages) = client.watch().await else {
            return Ok(());
        };
        // It may end by itself at this moment.
        let _ = client.kill().await;
        let ended = async { while stages.next().await.is_ok_and(|stage| stage.ended.is_none()) {} };
        let _ = timeout(END_GRACE, ended).await;
        Ok(())
    }

    /// Its image's root file system, and its own disk, made at its first start.
    async fn disks(&self, id: ContainerId) -> Result<[PathBuf; 2], RuntimeError> {
        let looked = self.require(id).await?;
        let image = self.0.disks.root(&looked.workload.image).await?;
        let dir = self.0.dirs.of(id);
        let upper = self.writable_disk(id);
        if !tokio::fs::try_exists(&upper).await.unwrap_or(false) {
            make_dir(&dir).await?;
            let bytes = looked.workload.disk_bytes;
            self.0.disks.writable_layer(&upper, bytes).await?;
        }
        Ok([image, upper])
    }

    async fn launched(
        &self,
        id: ContainerId,
        machine: &Machine,
        vms: &Vms,
        disks: [PathBuf; 2],
    ) -> Result<Begun, RuntimeError> {
        // Until its process runs. Nobody closes the semaphore.
        let _boots = self.0.boots.acquire().await;
        machine.phase("turn");
        // As the ledger has it now: whoever connects from here on plugs the NIC.
        let looked = self.require(id).await?;
        let sockets = sockets(&looked.container.channel).ok_or_else(|| not_ours(&looked))?;
        let mut launch = self.launch(&looked, vms, sockets, disks)?;
        // Kept until its QEMU runs, and is seen by its user.
        let uid = self.uid(id).await?;
        launch.uid = uid.number;
        let bounds = launch::bounds(&looked, vms);
        launch.cgroup = self.0.cgroups.make(id, &bounds).map_err(unbounded)?;
        let vm = VmSize {
            memory_mib: launch.memory_mib,
            cpus: launch.cpus,
        };
        loop {
            let pid = shim::spawn(vms, &launch).await?;
            let outcome = match self.watched(id, sockets).await {
                Ok((stages, started_ms)) => {
                    self.0.cgroups.run(id, &bounds).map_err(unbounded)?;
                    if let Some(template) = &launch.template {
                        self.0.templates.proved(template);
                    }
                    return Ok(Begun {
                        looked,
                        stages,
                        pid,
                        started_ms,
                        vm,
                    });
                }
                Err(outcome) => outcome,
            };
            // A clone that is none may be so for its template: another release of QEMU, a broken disk.
            let blame = outcome.blame();
            let Some(template) = launch.template.take_if(|_| blame != Blame::None) else {
                return Err(not_started(outcome));
            };
            self.0.templates.failed(&template, id, blame).await;
        }
    }

    /// A user that no other VM has.
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

    /// A shim's stages from the start of the process on; or how it ended without one.
    async fn watched(&self, id: ContainerId, sockets: &Path) -> Result<(Stages, u64), Outcome> {
        // A shim that does not answer has ended: what came of it is in its directory.
        let ended = |_| self.outcome(id);
        let mut stages = Client::at(sockets).watch().await.map_err(ended)?;
        let started_ms = started(&mut stages).await.map_err(ended)??;
        Ok((stages, started_ms))
    }

    fn launch(
        &self,
        looked: &ContainerSnapshot,
        vms: &Vms,
        sockets: &Path,
        [image_disk, writable_disk]: [PathBuf; 2],
    ) -> Result<Launch, RuntimeError> {
        let paths = LaunchPaths {
            dir: &self.0.dirs.of(looked.container.id),
            sockets,
            image_disk,
            writable_disk,
        };
        let code = NOT_LAUNCHED;
        let mut launch = launch::launch(looked, vms, paths)
            .map_err(|reason| RuntimeError::NotStarted { code, reason })?;
        if vms.clones {
            launch.template = self.0.templates.of(vms, &launch);
        }
        Ok(launch)
    }
}

/// When the process started; or how it ended without.
async fn started(stages: &mut Stages) -> Result<Result<u64, Outcome>, ClientError> {
    loop {
        let stage = stages.next().await?;
        if let Some(started_ms) = stage.started_ms {
            return Ok(Ok(started_ms));
        }
        if let Some(outcome) = stage.ended {
            return Ok(Err(outcome));
        }
    }
}

/// A VM is not started without the bounds that it is to have.
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
