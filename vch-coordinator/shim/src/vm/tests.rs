//! Tests of what ends a VM: the guest's init is played by the other end of its line, QEMU by a program of the system.

use super::{Shared, outcome};
use crate::{
    guest::{Guest, GuestEvent, fake::FakeInit},
    launch::tests::launch,
    outcome::Outcome,
    stage::Stage,
};
use protocol::process::{Exit, FromInit, MAX_CHUNK, Output, ProcessId, VERSION};
use std::{future::pending, path::Path, process::Stdio, time::Duration};
use tokio::{
    process::{Child, Command},
    sync::{Mutex, Notify, mpsc, watch},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(20);
const MAIN: ProcessId = ProcessId::MAIN;

/// Starts a shell command in QEMU's place.
fn qemu(command: &str) -> Child {
    Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Returns how a VM ends whose QEMU has ended with code 0 before anything was read of its line.
async fn ended_first(guest: &Guest, events: &mut mpsc::Receiver<GuestEvent>) -> Outcome {
    let mut child = qemu("exit 0");
    child.wait().await.unwrap();
    vm_end(guest, events, child).await
}

async fn vm_end(
    guest: &Guest,
    events: &mut mpsc::Receiver<GuestEvent>,
    mut child: Child,
) -> Outcome {
    let launch = launch(Path::new("/nowhere"));
    let shared = Shared {
        dir: launch.dir.clone(),
        guest: guest.clone(),
        nics: Mutex::new(None),
        stage: watch::Sender::new(Stage::default()),
        kill: Notify::new(),
    };
    let ending = outcome(&launch, &shared, events, &mut child, pending());
    timeout(SOON, ending).await.unwrap()
}

fn failure(outcome: &Outcome) -> (&str, &str) {
    let failure = outcome.failure.as_ref().unwrap();
    (&failure.code, &failure.text)
}

async fn started(init: &mut FakeInit) {
    init.says(&FromInit::Ready { version: VERSION }).await;
    init.says(&FromInit::Started { id: MAIN, pid: 1 }).await;
}

#[tokio::test]
async fn an_exit_code_that_came_before_qemu_ended_counts() {
    let (mut init, guest, mut events, _line) = FakeInit::new();
    started(&mut init).await;
    let exit = Exit {
        code: 42,
        out_of_memory: false,
    };
    init.says(&FromInit::Exited { id: MAIN, exit }).await;
    drop(init);
    let outcome = ended_first(&guest, &mut events).await;
    assert_eq!((outcome.code, outcome.failure), (42, None));
}

#[tokio::test]
async fn a_breach_that_came_before_qemu_ended_counts() {
    let (mut init, guest, mut events, _line) = FakeInit::new();
    // Nobody takes what this process writes.
    let process = guest.exec(Box::default()).await.unwrap();
    started(&mut init).await;
    let chunk = FromInit::Output {
        id: process.id,
        stream: Output::Stdout,
        bytes: vec![0; MAX_CHUNK],
    };
    while init.says(&chunk).await {}
    drop(init);
    let outcome = ended_first(&guest, &mut events).await;
    assert_eq!((outcome.code, failure(&outcome).0), (137, "channel"));
}

#[tokio::test]
async fn a_line_without_an_outcome_leaves_the_word_to_qemu() {
    for (begun, code) in [(false, 125), (true, 137)] {
        let (mut init, guest, mut events, _line) = FakeInit::new();
        if begun {
            started(&mut init).await;
        }
        drop(init);
        // The line may be seen to close first.
        let outcome = vm_end(&guest, &mut events, qemu("exit 3")).await;
        assert_eq!(outcome.code, code);
        assert_eq!(failure(&outcome), ("vm-died", "QEMU ended: exit status: 3"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_qemu_that_lives_on_without_its_line_is_told_of() {
    let (init, guest, mut events, _line) = FakeInit::new();
    drop(init);
    let outcome = vm_end(&guest, &mut events, qemu("cat")).await;
    assert_eq!(failure(&outcome), ("vm-died", "the VM closed its line"));
}
