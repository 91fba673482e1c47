//! A runtime with a store of its own. The data plane and the disks are played.

use super::{FakeShim, within};
use crate::{
    Create, Dirs, Disks, Runtime, RuntimeError, Vms,
    cgroups::Cgroups,
    event::{ContainerAction, ContainerEvent},
    handle::Seen,
    workload::{RunState, Workload},
};
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
};
use vch_engine::{LedgerReports, Requests};
use vch_ledger::{Command, ContainerId, DocumentKind, Settings};
use vch_network::tether::{Channels, Tether};
use vch_store::{HostChecks, LedgerHandle, Published, SpawnedWriter, Store, sample};

/// The script that plays the shim's process.
const SHIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/vch-shim");
/// The image of which no root file system can be made.
pub const BROKEN_IMAGE: &str = "sha256:broken";

/// A runtime with a store of its own, in a directory of its own.
pub struct Testbed {
    pub runtime: Runtime,
    /// The directories of the next coordinator.
    pub dirs: Dirs,
    vms: Option<Vms>,
    data_plane: Arc<Mutex<DataPlane>>,
    /// How many transactions the data plane has left unanswered.
    unanswered: watch::Receiver<u32>,
    _follower: JoinSet<()>,
    dir: TempDir,
}

/// How the data plane meets the transactions that it is to follow.
#[derive(Clone, Copy, Debug, Default)]
pub enum DataPlane {
    /// It makes the VCH agree with them.
    #[default]
    Follows,
    /// It cannot make the VCH agree with them.
    Refuses,
    /// It leaves them unanswered.
    Ignores,
}

/// The disks of VMs, which are empty files.
struct FakeDisks;

impl Disks for FakeDisks {
    fn root<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<PathBuf, RuntimeError>> {
        let found = match image {
            BROKEN_IMAGE => Err(RuntimeError::NoImage(image.to_owned())),
            _ => Ok("/nowhere/image".into()),
        };
        std::future::ready(found).boxed()
    }

    fn writable_layer<'a>(
        &'a self,
        path: &'a Path,
        _: Option<u64>,
    ) -> BoxFuture<'a, Result<(), RuntimeError>> {
        fs::write(path, "").unwrap();
        std::future::ready(Ok(())).boxed()
    }
}

/// Returns settings of VMs whose shims are played.
pub fn vms() -> Vms {
    Vms {
        shim: Some(SHIM.into()),
        clones: false,
        ..Vms::sample()
    }
}

/// Returns a container's configuration.
pub fn workload() -> Workload {
    Workload {
        image: format!("sha256:{}", "0".repeat(64)),
        image_name: "busybox".to_owned(),
        entrypoint: vec!["true".to_owned()],
        ..Workload::default()
    }
}

/// Returns the request for a container without endpoints.
pub fn request(name: &str, workload: Workload) -> Create {
    let Command::AddContainer(add) = sample::add(name) else {
        panic!("the sample adds a container");
    };
    let connect = Vec::new();
    Create {
        add,
        workload,
        connect,
    }
}

impl Testbed {
    /// Opens one whose VMs' shims are played.
    pub fn open() -> Self {
        Self::open_with(Some(vms()))
    }

    /// Opens one with these settings of VMs.
    pub fn open_with(vms: Option<Vms>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, loaded) = Store::open(&dir.path().join("state")).unwrap();
        let settings = Settings::of(loaded.vch);
        let spawned = LedgerHandle::spawn(store, loaded, settings, HostChecks::alone());
        let SpawnedWriter {
            ledger_handle,
            published,
            ..
        } = spawned.unwrap();
        let data_plane = Arc::default();
        let (count, unanswered) = watch::channel(0);
        let mut follower = JoinSet::new();
        follower.spawn(follow(published, Arc::clone(&data_plane), count));
        let channels = Channels::new(dir.path().join("tether"), false).unwrap();
        let reports = Arc::new(LedgerReports(ledger_handle.clone()));
        let tether = Tether::new(channels, reports, Duration::from_secs(1));
        let requests = Requests {
            ledger_handle,
            tether: Arc::new(tether),
            report_deadline: Duration::from_secs(1),
            plugs: true,
        };
        fs::create_dir(dir.path().join("cgroup")).unwrap();
        let controllers = dir.path().join("cgroup/cgroup.controllers");
        fs::write(controllers, "cpu memory pids").unwrap();
        let dirs = Dirs {
            state: dir.path().join("state"),
            run: dir.path().join("run"),
        };
        Self {
            runtime: runtime(requests, vms.clone(), dirs.clone(), dir.path()),
            dirs,
            vms,
            data_plane,
            unanswered,
            _follower: follower,
            dir,
        }
    }

    /// Returns the directory of the VMs' cgroups.
    pub fn cgroups(&self) -> PathBuf {
        self.dir.path().join("cgroup/vch")
    }

    /// Stops the coordinator, and starts the next one, which has adopted no container yet.
    pub async fn restart(&mut self) {
        within(self.runtime.close()).await;
        let (requests, vms) = (self.runtime.0.requests.clone(), self.vms.clone());
        self.runtime = runtime(requests, vms, self.dirs.clone(), self.dir.path());
    }

    /// Changes how the data plane meets transactions from now on.
    pub fn set_data_plane(&self, data_plane: DataPlane) {
        *self.data_plane.lock() = data_plane;
    }

    /// Waits until the data plane has left so many transactions unanswered.
    pub async fn unanswered(&self, times: u32) {
        let mut unanswered = self.unanswered.clone();
        let enough = unanswered.wait_for(|count| *count >= times);
        within(enough).await.unwrap();
    }

    /// Creates a container.
    pub async fn create(&self, name: &str, workload: Workload) -> ContainerId {
        self.runtime.create(request(name, workload)).await.unwrap()
    }

    /// Plays the shim of a container from now on.
    pub async fn shim(&self, id: ContainerId) -> FakeShim {
        let snapshot = self.runtime.require(id).await.unwrap();
        let sockets = self.runtime.sockets(&snapshot).unwrap();
        FakeShim::listen(sockets, self.runtime.log_dir(id))
    }

    /// Creates and starts a container.
    pub async fn running(&self, name: &str, workload: Workload) -> (ContainerId, FakeShim) {
        let id = self.create(name, workload).await;
        let shim = self.shim(id).await;
        shim.begins();
        let started = within(self.runtime.start(id)).await;
        assert!(started.unwrap(), "it did not run before");
        (id, shim)
    }

    /// Creates a container whose run an earlier coordinator has stored.
    pub async fn found(&self, name: &str, workload: Workload, run_state: &RunState) -> ContainerId {
        let id = self.create(name, workload).await;
        self.carry_out(Command::StartContainer(id.into())).await;
        self.store_run(id, run_state).await;
        id
    }

    /// Stores the state of a container's run, as an earlier coordinator has.
    pub async fn store_run(&self, id: ContainerId, run_state: &RunState) {
        let kind = DocumentKind::RunState;
        self.runtime.keep(id, kind, run_state).await.unwrap();
    }

    /// Lets the ledger decide a command, and the data plane follow it.
    pub async fn carry_out(&self, command: Command) {
        let done = self.runtime.0.requests.carry_out(command).await;
        assert!(done.is_ok(), "{:?}", done.err());
    }

    /// Waits until `enough` accepts a container's state, and returns its run then.
    pub async fn until(&self, id: ContainerId, enough: impl FnMut(&Seen) -> bool) -> RunState {
        let snapshot = self.runtime.require(id).await.unwrap();
        let mut seen = self.runtime.handle_of(&snapshot).watch();
        let seen = within(seen.wait_for(enough)).await.unwrap();
        seen.run_state.clone()
    }
}

/// Waits for the next event that `is_it` accepts.
pub async fn event(
    events: &mut broadcast::Receiver<Arc<ContainerEvent>>,
    is_it: impl Fn(&ContainerAction) -> bool,
) -> Arc<ContainerEvent> {
    loop {
        let event = within(events.recv()).await.unwrap();
        if is_it(&event.action) {
            return event;
        }
    }
}

fn runtime(requests: Requests, vms: Option<Vms>, dirs: Dirs, dir: &Path) -> Runtime {
    let cgroups = Cgroups::open(&dir.join("cgroup"));
    Runtime::with_cgroups(requests, vms, dirs, Arc::new(FakeDisks), cgroups)
}

/// Plays the data plane.
async fn follow(
    mut published: mpsc::Receiver<Published>,
    data_plane: Arc<Mutex<DataPlane>>,
    unanswered: watch::Sender<u32>,
) {
    while let Some(Published { settled, .. }) = published.recv().await {
        let data_plane = *data_plane.lock();
        // The caller may have stopped waiting for it.
        let _ = match data_plane {
            DataPlane::Follows => settled.send(Ok(())),
            DataPlane::Refuses => settled.send(Err("no such link".into())),
            DataPlane::Ignores => {
                drop(settled);
                unanswered.send_modify(|count| *count += 1);
                continue;
            }
        };
    }
}
