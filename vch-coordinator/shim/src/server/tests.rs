//! Tests of the server at a real socket; the guest's init and QEMU are played by the other ends of their lines.

mod old_coordinator;
mod room;
mod stage_size;
mod streams;

use super::{ROOM, Room, Server, Shared};
use crate::{
    client::{Client, ClientError},
    guest::{
        GuestEvent,
        fake::{FakeInit, Line},
    },
    launch::Nic,
    nics::Nics,
    qmp::fake::{FakeQemu, done},
    sockets::SHIM,
    stage::Stage,
};
use protocol::process::{CgroupLimits, FromInit, Listed, ProcessId, TerminalSize, ToInit, Usage};
use std::{collections::BTreeMap, os::unix::net::UnixListener, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, Notify, mpsc, watch},
    task::JoinSet,
    time::timeout,
};

const SOON: Duration = Duration::from_secs(20);

/// A shim's server, and what is on its other sides.
struct World {
    sockets: TempDir,
    init: FakeInit,
    shared: Arc<Shared>,
    line: Line,
    _events: mpsc::Receiver<GuestEvent>,
    serving: JoinSet<()>,
}

impl World {
    fn new() -> Self {
        Self::with_room(ROOM)
    }

    fn with_room(room: Room) -> Self {
        let sockets = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(sockets.path().join(SHIM)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (init, guest, events, line) = FakeInit::new();
        let shared = Arc::new(Shared {
            dir: line.path().to_owned(),
            guest,
            nics: Mutex::new(None),
            stage: watch::Sender::new(Stage::default()),
            kill: Notify::new(),
        });
        let mut server = Server::new(listener, Arc::clone(&shared), room).unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move { match server.serve().await {} });
        Self {
            sockets,
            init,
            shared,
            line,
            _events: events,
            serving,
        }
    }

    fn client(&self) -> Client {
        Client::at(self.sockets.path())
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it comes within time")
}

fn is_refused<T>(asked: Result<T, ClientError>, expected: &str) -> bool {
    matches!(asked, Err(ClientError::Refused { code, .. }) if code == expected)
}

#[tokio::test]
async fn what_is_told_the_guest_reaches_its_init() {
    let mut world = World::new();
    let client = world.client();
    let id = ProcessId(4);
    soon(client.signal(id, 15)).await.unwrap();
    let size = TerminalSize {
        rows: 24,
        columns: 80,
    };
    soon(client.resize(id, size)).await.unwrap();
    let told = [
        soon(world.init.hears()).await.unwrap(),
        soon(world.init.hears()).await.unwrap(),
    ];
    let expected = [
        ToInit::Signal { id, signal: 15 },
        ToInit::Resize { id, size },
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_the_guest_is_asked_comes_back_from_its_init() {
    let mut world = World::new();
    let client = world.client();
    let listed = Listed {
        pid: 1,
        parent: 0,
        uid: 5,
        cpu_ms: 6,
        started_ms: 7,
        command_line: "sleep 1".to_owned(),
        state: "S".to_owned(),
        memory_kib: [8, 9],
    };
    let usage = Usage {
        tasks: 3,
        ..Usage::default()
    };
    let bounds = CgroupLimits {
        tasks: Some(9),
        ..CgroupLimits::default()
    };
    let answering = async {
        for _ in 0..3 {
            let answer = match world.init.hears().await.unwrap() {
                ToInit::List { request } => FromInit::Listed {
                    request,
                    processes: vec![listed.clone()],
                },
                ToInit::Usage { request } => FromInit::Used {
                    request,
                    usage: usage.clone(),
                },
                ToInit::Update { request, cgroup } => FromInit::Updated {
                    request,
                    refused: vec![format!("pids.max={:?}: no", cgroup.tasks)],
                },
                other => panic!("{other:?}"),
            };
            world.init.says(&answer).await;
        }
    };
    let asking = async {
        assert_eq!(client.list().await.unwrap(), std::slice::from_ref(&listed));
        assert_eq!(client.usage().await.unwrap(), usage);
        let refused = client.update(bounds).await.unwrap();
        assert_eq!(refused, ["pids.max=Some(9): no"]);
    };
    soon(async { tokio::join!(answering, asking) }).await;
}

#[tokio::test]
async fn a_vm_that_has_ended_answers_nothing_more() {
    let World {
        sockets,
        init,
        serving: _serving,
        line: _line,
        ..
    } = World::new();
    drop(init);
    let asked = soon(Client::at(sockets.path()).usage()).await;
    assert!(is_refused(asked, "vm-ended"));
}

#[tokio::test]
async fn a_client_ends_the_vm() {
    let world = World::new();
    soon(world.client().kill()).await.unwrap();
    soon(world.shared.kill.notified()).await;
}

#[tokio::test]
async fn nics_are_plugged_once_qemu_is_there_and_refused_with_their_codes() {
    let world = World::new();
    let client = world.client();
    let nic = Nic {
        id: "n1".to_owned(),
        mac: [2, 0, 0, 0, 0, 1],
        tap: "vt-no-such-tap".to_owned(),
    };
    // Before that the machine has what it was started with.
    soon(client.plug(nic.clone())).await.unwrap();
    soon(client.unplug("n1")).await.unwrap();
    soon(client.reattach(nic.clone())).await.unwrap();
    let (_qemu, qmp) = FakeQemu::new(|_| vec![done()]).await;
    *world.shared.nics.lock().await = Some(Nics::new(qmp, BTreeMap::new(), &[]));
    assert!(is_refused(soon(client.plug(nic.clone())).await, "tap"));
    soon(client.unplug("n1")).await.unwrap();
    assert!(is_refused(soon(client.reattach(nic)).await, "no-such-nic"));
}
