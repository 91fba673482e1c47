//! What all parts of the runtime share, and what is read of containers.

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
use std::{
    collections::BTreeMap,
    num::NonZero,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};
use tokio::sync::Semaphore;
use vch_engine::Requests;
use vch_ledger::{Channel, Command, ContainerId, DocumentKind};
use vch_log::error_chain;
use vch_metrics::{RegisterError, Registry};

/// The containers that this VCH runs itself; cheap to clone.
#[derive(Clone)]
pub struct Runtime(pub(super) Arc<RuntimeState>);

pub(super) struct RuntimeState {
    pub requests: Requests,
    /// `None`: this VCH starts no VMs.
    pub vms: Option<Vms>,
    pub dirs: Dirs,
    pub disks: Arc<dyn Disks>,
    pub events: Events,
    pub templates: Templates,
    pub uids: Uids,
    pub cgroups: Cgroups,
    pub tasks: Tasks,
    /// Of VMs that boot: as many at once as there are processors. More would boot no sooner, and a guest
    /// that is starved while it boots may not find its timers.
    pub boots: Semaphore,
    pub starts: StartMetrics,
    pub documents: Documents,
    handles: Mutex<BTreeMap<ContainerId, Arc<Handle>>>,
    findings: Mutex<Findings>,
}

/// What is wrong with containers as a whole, for `vchctl status`.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// As they were found when all were last looked at.
    unreadable: Vec<Unreadable>,
    /// Directories that stay though the ledger does not know their containers, in words.
    left: Vec<String>,
    /// Containers that had ended when the coordinator started, and whose VMs went on.
    pub orphans: Vec<ContainerId>,
}

impl Runtime {
    /// Nothing is started yet.
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

    /// Ends what goes on in the coordinator; VMs run on.
    pub async fn close(&self) {
        self.0.tasks.close().await;
    }

    /// Returns why the host's kernel bounds no VM; `None` if it does, or if no VM is started here.
    pub fn vms_unlimited(&self) -> Option<String> {
        self.0.vms.as_ref()?;
        let unlimited = self.0.cgroups.unlimited()?;
        Some(error_chain(unlimited))
    }

    /// What happens to containers.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Returns a container's snapshot; `None` if it is not there, or is not run by this VCH.
    ///
    /// # Errors
    /// [`RuntimeError`].
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
    /// [`RuntimeError`]: `NotOurs` if this VCH runs no such container.
    pub async fn require(&self, id: ContainerId) -> Result<ContainerSnapshot, RuntimeError> {
        let snapshot = self.get(id).await?;
        snapshot.ok_or_else(|| RuntimeError::NotOurs(id.to_string()))
    }

    /// All of them, the youngest first. Those of which a document can't be read are left out, and
    /// [told](Self::unreadable).
    ///
    /// # Errors
    /// [`RuntimeError`].
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

    /// Containers of which a document could not be read when all were last looked at.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.findings().unreadable.clone()
    }

    fn note_unreadable(&self, unreadable: Vec<Unreadable>) {
        let mut findings = self.findings();
        let news = unreadable
            .iter()
            .filter(|one| !findings.unreadable.contains(one));
        for one in news {
            tracing::error!(container = %one.container.name, reason = one.reason, "a container is left out");
        }
        findings.unreadable = unreadable;
    }

    pub(super) fn note_left(&self, left: Vec<String>) {
        self.findings().left = left;
    }

    /// What is wrong with containers as a whole, in words: those that can't be read, and directories that
    /// the ledger does not know and that stay where they are.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn warnings(&self) -> Result<Vec<String>, RuntimeError> {
        // Another release, or a hand, may have changed a document meanwhile.
        self.all().await?;
        let orphans = self.orphans().await;
        let findings = self.findings();
        let unreadable = findings.unreadable.iter().map(|one| one.reason.clone());
        Ok(unreadable
            .chain(findings.left.iter().cloned())
            .chain(orphans)
            .collect())
    }

    /// The directories in `lost/`, in words.
    pub async fn lost(&self) -> Vec<String> {
        let dirs = self.0.dirs.clone();
        // Its panic would be logged; there is nothing to tell then.
        tokio::task::spawn_blocking(move || dirs.lost_words())
            .await
            .unwrap_or_default()
    }

    pub(super) fn findings(&self) -> MutexGuard<'_, Findings> {
        self.0
            .findings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of the VCH's disk that what a container wrote has.
    pub async fn written(&self, id: ContainerId) -> u64 {
        /// What `stat(2)` counts in.
        const BLOCK: u64 = 512;
        let disk = self.writable_disk(id);
        // One that has not been started yet has none.
        let found = tokio::fs::metadata(disk).await;
        found.map_or(0, |found| found.blocks() * BLOCK)
    }

    /// Where a container's own disk lies.
    pub(super) fn writable_disk(&self, id: ContainerId) -> PathBuf {
        self.0.dirs.of(id).join("upper.ext4")
    }

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

    /// Forgets the handle of a supervisor that ends; one that has taken its place stays.
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
        // Nothing panics while it holds the lock; what it guards stays whole in any case.
        self.0
            .handles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells that something happened to a container that is there.
    pub async fn tell(&self, id: ContainerId, action: ContainerAction) {
        if let Ok(Some(snapshot)) = self.get(id).await {
            self.tell_of(&snapshot, action);
        }
    }

    /// Tells that something happened to a container.
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

/// The command that keeps a document.
///
/// # Errors
/// [`RuntimeError::Unwritable`]: nothing is kept in its place.
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

/// Where the sockets of a container lie; `None` for one whose VM somebody else starts.
pub(super) fn sockets(channel: &Channel) -> Option<&Path> {
    match channel {
        Channel::Chardev { path } => Path::new(path.as_str()).parent(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
