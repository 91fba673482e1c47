//! The state that all parts of the runtime share, and the reading of containers from the ledger.

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

/// The containers that this VCH runs itself. Cheap to clone.
#[derive(Clone)]
pub struct Runtime(pub(super) Arc<RuntimeState>);

pub(super) struct RuntimeState {
    pub requests: Requests,
    /// How VMs are started; `None` if this VCH starts no VMs.
    pub vms: Option<Vms>,
    pub dirs: Dirs,
    pub disks: Arc<dyn Disks>,
    pub events: Events,
    pub templates: Templates,
    pub uids: Uids,
    pub cgroups: Cgroups,
    pub tasks: Tasks,
    /// One permit for each VM that may boot at the same time: as many as there are processors. More
    /// would not boot sooner, and a guest that gets too little processor time while it boots may
    /// fail to calibrate its timers.
    pub boots: Semaphore,
    pub starts: StartMetrics,
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
    /// Creates the runtime. No task is spawned and no VM is started until [`adopt`](Self::adopt) or
    /// [`start`](Self::start).
    pub fn new(requests: Requests, vms: Option<Vms>, dirs: Dirs, disks: Arc<dyn Disks>) -> Self {
        let tasks = Tasks::default();
        Self(Arc::new(RuntimeState {
            requests,
            vms,
            templates: Templates::new(dirs.state.join("templates"), tasks.clone()),
            uids: Uids::default(),
            cgroups: Cgroups::open(Path::new(cgroups::MOUNT)),
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

    /// Adds what is counted of starts of VMs.
    ///
    /// # Errors
    /// Returns [`RegisterError`] if one of these metrics is registered already.
    pub fn register_metrics(&self, registry: &Registry) -> Result<(), RegisterError> {
        self.0.starts.register(registry)
    }

    /// Ends the runtime's tasks and waits for them. VMs keep running.
    pub async fn close(&self) {
        self.0.tasks.close().await;
    }

    /// Returns why VMs run without limits of the host's kernel; `None` if they have limits, or if
    /// this VCH starts no VMs.
    pub fn vms_unlimited(&self) -> Option<String> {
        self.0.vms.as_ref()?;
        let unlimited = self.0.cgroups.unlimited()?;
        Some(error_chain(unlimited))
    }

    /// Returns the events of containers.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Returns a container's snapshot; `None` if no container has that ID or this VCH does not run
    /// it.
    ///
    /// # Errors
    /// - [`RuntimeError::Document`] if a document of the container cannot be read.
    /// - [`RuntimeError::Request`] if the ledger has ended.
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

    /// Returns a container's snapshot.
    ///
    /// # Errors
    /// - [`RuntimeError::NotOurs`] if no container has that ID or this VCH does not run it.
    /// - The errors of [`get`](Self::get).
    pub async fn require(&self, id: ContainerId) -> Result<ContainerSnapshot, RuntimeError> {
        let snapshot = self.get(id).await?;
        snapshot.ok_or_else(|| RuntimeError::NotOurs(id.to_string()))
    }

    /// Returns the snapshots of all containers that this VCH runs, newest first. Leaves out
    /// containers of which a document cannot be read; [`unreadable`](Self::unreadable) returns
    /// them.
    ///
    /// # Errors
    /// Returns [`RuntimeError::Request`] if the ledger has ended.
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

    /// Returns the containers of which a document could not be read when all containers were last
    /// listed.
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

    /// Returns one message for each problem with containers: unreadable documents, directories that
    /// the ledger does not know and that could not be moved, and orphaned VMs.
    ///
    /// # Errors
    /// Returns [`RuntimeError::Request`] if the ledger has ended.
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

    /// Returns one message for each directory in `lost/`.
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

    /// Returns how many bytes of the VCH's disk a container's writable layer takes.
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

    /// Sends an event about a container, if the ledger still has the container.
    pub async fn tell(&self, id: ContainerId, action: ContainerAction) {
        if let Ok(Some(snapshot)) = self.get(id).await {
            self.tell_of(&snapshot, action);
        }
    }

    /// Sends an event about a container.
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
