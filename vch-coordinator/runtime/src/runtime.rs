//! The [`Runtime`] with the state that all of its parts share, and the reading of containers from
//! the ledger.

use super::{
    ContainerSnapshot, Disks, RuntimeError, Unreadable,
    cgroups::{self, Cgroups},
    dirs::Dirs,
    documents::Documents,
    event::{ContainerAction, ContainerEvent, Events, now_ns},
    handle::Handle,
    settings::Vms,
    snapshot::ContainerRows,
    start_metrics::StartMetrics,
    tasks::Tasks,
    templates::Templates,
    uids::Uids,
};
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::BTreeMap,
    num::NonZero,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};
use tokio::sync::Semaphore;
use vch_engine::Requests;
use vch_ledger::{Channel, Command, ContainerId, DocumentKind};
use vch_log::error_chain;
use vch_metrics::{RegisterError, Registry};

/// The containers whose VMs this coordinator runs on its host: creates, starts, stops, reads and
/// removes them. Cheap to clone; clones share their state.
#[derive(Clone)]
pub struct Runtime(pub(super) Arc<RuntimeState>);

pub(super) struct RuntimeState {
    /// Carries out commands of the ledger, and reads it.
    pub requests: Requests,
    /// How VMs are started; `None` if the coordinator is configured to start no VMs.
    pub vms: Option<Vms>,
    /// The directories of containers' files.
    pub dirs: Dirs,
    /// Makes the disks of VMs.
    pub disks: Arc<dyn Disks>,
    /// The channel of containers' events.
    pub events: Events,
    /// The saved VMs that containers' VMs are cloned from.
    pub templates: Templates,
    /// The user IDs of running VMs.
    pub uids: Uids,
    /// The cgroups of VMs on the host.
    pub cgroups: Cgroups,
    /// The runtime's tasks, among them the supervisors.
    pub tasks: Tasks,
    /// One permit for each VM that may boot at the same time: as many as there are processors. More
    /// would not boot sooner, and a guest that gets too little processor time while it boots may
    /// fail to calibrate its timers.
    pub boots: Semaphore,
    /// The metrics of VM starts.
    pub starts: StartMetrics,
    /// The cache of decoded documents.
    pub documents: Documents,
    handles: Mutex<BTreeMap<ContainerId, Arc<Handle>>>,
    findings: Mutex<Findings>,
}

/// Problems with containers that `vchctl status` shows.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The containers that could not be read when all containers were last listed.
    unreadable: Vec<Unreadable>,
    /// One message for each directory that stays although the ledger does not know its container.
    left: Vec<String>,
    /// Containers that had ended when the coordinator started, and whose VMs still ran.
    pub orphans: Vec<ContainerId>,
}

impl Runtime {
    /// Creates the runtime. Spawns no task and starts no VM until [`adopt`](Self::adopt) or
    /// [`start`](Self::start) is called.
    ///
    /// `requests` carries out commands of the ledger, `dirs` are the directories of containers'
    /// files, and `disks` makes VMs' disks. `vms` has the settings of VMs; `None` if the
    /// coordinator starts no VMs.
    pub fn new(requests: Requests, vms: Option<Vms>, dirs: Dirs, disks: Arc<dyn Disks>) -> Self {
        let cgroups = Cgroups::open(Path::new(cgroups::MOUNT));
        Self::with_cgroups(requests, vms, dirs, disks, cgroups)
    }

    /// Creates the runtime with the cgroups of its VMs.
    pub(super) fn with_cgroups(
        requests: Requests,
        vms: Option<Vms>,
        dirs: Dirs,
        disks: Arc<dyn Disks>,
        cgroups: Cgroups,
    ) -> Self {
        let tasks = Tasks::default();
        Self(Arc::new(RuntimeState {
            requests,
            vms,
            templates: Templates::new(dirs.state.join("templates"), tasks.clone()),
            uids: Uids::default(),
            cgroups,
            dirs,
            disks,
            events: Events::default(),
            tasks,
            boots: Semaphore::new(thread::available_parallelism().map_or(1, NonZero::get)),
            starts: StartMetrics::new(),
            documents: Documents::default(),
            handles: Mutex::default(),
            findings: Mutex::default(),
        }))
    }

    /// Registers the metrics of VM starts (`vch_vm_starts_total`, `vch_vm_start_seconds`).
    ///
    /// # Errors
    /// Returns [`RegisterError`] if one of these metrics is registered already.
    pub fn register_metrics(&self, registry: &Registry) -> Result<(), RegisterError> {
        self.0.starts.register(registry)
    }

    /// Cancels the runtime's tasks and waits for them; the coordinator calls this when it stops. VMs keep running, and
    /// the next coordinator adopts them.
    pub async fn close(&self) {
        self.0.tasks.close().await;
    }

    /// Returns why VMs run without limits of cgroups on the host (cgroups cannot be used there), in words; `None` if
    /// they have limits, or if the coordinator starts no VMs.
    pub fn vms_unlimited(&self) -> Option<String> {
        self.0.vms.as_ref()?;
        let unlimited = self.0.cgroups.unlimited()?;
        Some(error_chain(unlimited))
    }

    /// Returns the channel of containers' events, to subscribe to.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Reads a container's stored state. Returns `None` if no container has that ID, or if another
    /// program runs its VM.
    ///
    /// # Errors
    /// - [`RuntimeError::Document`] if a stored document of the container cannot be read.
    /// - [`RuntimeError::Request`] if the ledger's thread has ended, since the coordinator stops.
    pub async fn get(&self, id: ContainerId) -> Result<Option<ContainerSnapshot>, RuntimeError> {
        let rows = self
            .0
            .requests
            .ledger_handle
            .read(move |ledger| ContainerRows::of(ledger, id));
        let Some(rows) = rows.await? else {
            return Ok(None);
        };
        let snapshot = rows.decode(&self.0.documents);
        let snapshot = snapshot.map_err(RuntimeError::Document)?;
        Ok(Some(self.with_health(snapshot)))
    }

    fn with_health(&self, mut snapshot: ContainerSnapshot) -> ContainerSnapshot {
        let handle = self.known_handle(snapshot.container.id);
        snapshot.health = handle.and_then(|handle| handle.health());
        snapshot
    }

    /// Reads a container's stored state, as [`get`](Self::get) does, but fails if it does not
    /// exist.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if the container does not exist, or another program runs its VM.
    /// - The errors of [`get`](Self::get).
    pub async fn require(&self, id: ContainerId) -> Result<ContainerSnapshot, RuntimeError> {
        let snapshot = self.get(id).await?;
        snapshot.ok_or_else(|| RuntimeError::NotOurs(id.to_string()))
    }

    /// Reads the stored state and the health of all containers whose VMs this coordinator runs, newest first. Leaves
    /// out containers with a document that cannot be read; [`unreadable`](Self::unreadable) returns them.
    ///
    /// # Errors
    /// Returns [`RuntimeError::Request`] if the ledger's thread has ended, since the coordinator stops.
    pub async fn all(&self) -> Result<Vec<ContainerSnapshot>, RuntimeError> {
        let rows = self
            .0
            .requests
            .ledger_handle
            .read(ContainerRows::all)
            .await?;
        let (mut all, mut unreadable) = (Vec::new(), Vec::new());
        for rows in rows {
            match rows.decode(&self.0.documents) {
                Ok(snapshot) => all.push(self.with_health(snapshot)),
                Err(one) => unreadable.push(*one),
            }
        }
        self.note_unreadable(unreadable);
        all.sort_by_key(|one| std::cmp::Reverse((one.container.created_ms, one.container.id)));
        Ok(all)
    }

    /// Returns the containers that the last call of [`all`](Self::all) left out, because a stored
    /// document of theirs cannot be read.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.findings().unreadable.clone()
    }

    fn note_unreadable(&self, unreadable: Vec<Unreadable>) {
        let mut findings = self.findings();
        let news = unreadable
            .iter()
            .filter(|one| !findings.unreadable.contains(one));
        for one in news {
            tracing::error!(container = %one.container.name, reason = one.reason, "container cannot be read; left out of lists");
        }
        findings.unreadable = unreadable;
    }

    pub(super) fn note_left(&self, left: Vec<String>) {
        self.findings().left = left;
    }

    /// Returns one message for each problem with containers, as `vchctl status` shows it: documents
    /// that cannot be read, directories of unknown containers that could not be moved to `lost/`,
    /// and VMs that still run although their containers have ended.
    ///
    /// # Errors
    /// Returns [`RuntimeError::Request`] if the ledger's thread has ended, since the coordinator
    /// stops.
    pub async fn warnings(&self) -> Result<Vec<String>, RuntimeError> {
        // Lists again, since another release or a user may have changed a document meanwhile.
        self.all().await?;
        let orphans = self.orphans().await;
        let findings = self.findings();
        let unreadable = findings.unreadable.iter().map(|one| one.reason.clone());
        Ok(unreadable
            .chain(findings.left.iter().cloned())
            .chain(orphans)
            .collect())
    }

    /// Returns one message for the user for each directory in `lost/`. They have the files of containers that the
    /// ledger did not know at a start of the coordinator, which moved them there.
    pub async fn lost(&self) -> Vec<String> {
        let dirs = self.0.dirs.clone();
        // A panic of the task is logged; the list is then empty.
        tokio::task::spawn_blocking(move || dirs.lost_words())
            .await
            .unwrap_or_default()
    }

    pub(super) fn findings(&self) -> MutexGuard<'_, Findings> {
        self.0.findings.lock()
    }

    /// Returns how many bytes of the host's disk a container's writable layer takes: its allocated blocks, not the size
    /// of the sparse file. 0 if the container was never started.
    pub async fn written(&self, id: ContainerId) -> u64 {
        /// The unit of `st_blocks` (stat(2)), in bytes.
        const BLOCK: u64 = 512;
        let disk = self.writable_disk(id);
        // A container that was never started has no writable layer yet.
        let found = tokio::fs::metadata(disk).await;
        found.map_or(0, |found| found.blocks() * BLOCK)
    }

    /// Returns the path of a container's writable layer.
    pub(super) fn writable_disk(&self, id: ContainerId) -> PathBuf {
        self.0.dirs.of(id).join("upper.ext4")
    }

    /// Stores a document of a container.
    ///
    /// # Errors
    /// - [`RuntimeError::Unwritable`] if the content cannot be serialized.
    /// - [`RuntimeError::Request`] if the ledger refuses the document or cannot store it.
    pub(super) async fn keep<T: serde::Serialize + Sync>(
        &self,
        id: ContainerId,
        kind: DocumentKind,
        content: &T,
    ) -> Result<(), RuntimeError> {
        let command = document(&id.into(), kind, content)?;
        self.0.requests.carry_out(command).await?;
        Ok(())
    }

    pub(super) fn known_handle(&self, id: ContainerId) -> Option<Arc<Handle>> {
        self.handles().get(&id).cloned()
    }

    /// Forgets the handle of a supervisor that ends. Keeps the handle of a newer supervisor of the
    /// same container.
    pub(super) fn forget(&self, id: ContainerId, handle: &Arc<Handle>) {
        let mut handles = self.handles();
        if handles
            .get(&id)
            .is_some_and(|known| Arc::ptr_eq(known, handle))
        {
            handles.remove(&id);
            self.0.documents.forget(id);
        }
    }

    pub(super) fn handles(&self) -> MutexGuard<'_, BTreeMap<ContainerId, Arc<Handle>>> {
        // No code panics while it holds the lock, and the data would stay consistent in any case.
        self.0.handles.lock()
    }

    /// Sends an event about a container to the subscribers of [`events`](Self::events). Does
    /// nothing if the container does not exist any more.
    pub async fn tell(&self, id: ContainerId, action: ContainerAction) {
        if let Ok(Some(snapshot)) = self.get(id).await {
            self.tell_of(&snapshot, action);
        }
    }

    /// Sends an event about a container to the subscribers of [`events`](Self::events), with the
    /// name, image and labels of `snapshot`.
    pub fn tell_of(&self, snapshot: &ContainerSnapshot, action: ContainerAction) {
        self.0.events.tell(ContainerEvent {
            at_ns: now_ns(),
            action,
            container: snapshot.container.id,
            name: snapshot.container.name.to_string(),
            image: snapshot.workload.image_name.clone(),
            labels: snapshot.workload.labels.clone(),
        });
    }
}

/// Returns the command that stores a document of a container.
///
/// # Errors
/// Returns [`RuntimeError::Unwritable`] if the content cannot be serialized as JSON.
pub(super) fn document<T: serde::Serialize>(
    container: &vch_ledger::ContainerRef,
    kind: DocumentKind,
    content: &T,
) -> Result<Command, RuntimeError> {
    Ok(Command::Document {
        container: container.clone(),
        kind,
        text: serde_json::to_string(content).map_err(RuntimeError::Unwritable)?,
    })
}

/// Returns the directory of a container's sockets; `None` if another program runs the container's
/// VM.
pub(super) fn sockets(channel: &Channel) -> Option<&Path> {
    match channel {
        Channel::Chardev { path } => Path::new(path.as_str()).parent(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
