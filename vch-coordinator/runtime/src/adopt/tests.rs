use super::*;
use crate::{
    tests::{Testbed, exited, within, workload, write_outcome},
    workload::{RestartPolicy, RestartWhen, RunState, Status, Workload},
};
use std::{fs, os::unix::fs::symlink};
use vch_ledger::{Command, ContainerId, Id};

fn always() -> Workload {
    Workload {
        restart: RestartPolicy {
            when: RestartWhen::Always,
            most: 0,
        },
        ..workload()
    }
}

/// Returns a run that has ended.
fn ended() -> RunState {
    RunState {
        status: Status::Exited,
        started_ms: 1,
        finished_ms: 2,
        ..RunState::default()
    }
}

#[tokio::test]
async fn a_container_that_runs_is_followed_to_its_end() {
    let mut testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    testbed.restart().await;
    within(testbed.runtime.adopt()).await;
    assert!(!within(testbed.runtime.start(id)).await.unwrap());
    shim.exit(3).await;
    let run = testbed.until(id, |seen| seen.ends == 1).await;
    assert_eq!((run.status, run.exit_code), (Status::Exited, 3));
}

#[tokio::test]
async fn the_end_of_a_run_that_no_coordinator_saw_is_stored() {
    let mut testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", workload()).await;
    within(testbed.runtime.close()).await;
    shim.end_untold(exited(4)).await;
    testbed.restart().await;
    within(testbed.runtime.adopt()).await;
    let run = testbed.until(id, |seen| seen.ends == 1).await;
    assert_eq!((run.status, run.exit_code), (Status::Exited, 4));
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert!(!snapshot.container.runs());
}

#[tokio::test]
async fn a_container_that_has_ended_is_started_as_its_policy_says() {
    let testbed = Testbed::open();
    let kept = testbed.create("kept", workload()).await;
    let id = testbed.create("web", always()).await;
    for id in [kept, id] {
        testbed.store_run(id, &ended()).await;
    }
    let shim = testbed.shim(id).await;
    shim.begins();
    within(testbed.runtime.adopt()).await;
    testbed.until(id, |seen| seen.starts == 1).await;
    let run = testbed.runtime.require(kept).await.unwrap().run_state;
    assert_eq!(run, ended());
    assert!(testbed.runtime.warnings().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_container_whose_vm_still_runs_is_not_started_but_shown() {
    let mut testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", always()).await;
    let pid = shim.process().pid();
    within(testbed.runtime.close()).await;
    testbed.carry_out(Command::StopContainer(id.into())).await;
    testbed.store_run(id, &ended()).await;
    testbed.restart().await;
    within(testbed.runtime.adopt()).await;
    let warnings = testbed.runtime.warnings().await.unwrap();
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    assert!(warning.contains(&format!("process {pid}")), "{warning}");
    assert!(warning.contains("docker kill web"), "{warning}");
    let refused = within(testbed.runtime.start(id)).await.unwrap_err();
    assert!(
        matches!(&refused, RuntimeError::Orphan { name, .. } if name == "web"),
        "{refused:?}"
    );
    // The remedy that the warning names.
    let killing = testbed.runtime.kill(id, 9);
    let (killed, ()) = within(async { tokio::join!(killing, shim.killed()) }).await;
    killed.unwrap();
    assert!(testbed.runtime.warnings().await.unwrap().is_empty());
    shim.listen_again();
    shim.begins();
    assert!(within(testbed.runtime.start(id)).await.unwrap());
}

#[tokio::test]
async fn a_container_of_whose_vm_nothing_is_known_is_adopted_and_does_not_start() {
    let testbed = Testbed::open();
    let id = testbed.create("web", always()).await;
    testbed.store_run(id, &ended()).await;
    let dir = testbed.runtime.log_dir(id);
    fs::create_dir_all(&dir).unwrap();
    symlink("shim.lock", dir.join("shim.lock")).unwrap();
    within(testbed.runtime.adopt()).await;
    // Its policy starts it, and the start is refused: two VMs would write one disk.
    testbed
        .until(id, |seen| seen.refusals + seen.ends == 1)
        .await;
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert!(run.error.contains("whether a VM still runs"), "{run:?}");
    let refused = within(testbed.runtime.start(id)).await.unwrap_err();
    assert!(
        matches!(refused.own(), RuntimeError::File { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn directories_of_unknown_containers_are_moved_aside_and_told() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let lost = ContainerId::from_bytes([7; 32]);
    let used = ContainerId::from_bytes([8; 32]);
    for id in [id, lost, used] {
        write_outcome(&testbed.runtime.log_dir(id), &exited(0));
    }
    let file = testbed.runtime.log_dir(used).join("exit.json");
    let _open = fs::File::open(file).unwrap();
    within(testbed.runtime.adopt()).await;
    assert!(testbed.runtime.log_dir(id).exists());
    assert!(!testbed.runtime.log_dir(lost).exists());
    let moved = testbed.runtime.lost().await;
    assert_eq!(moved.len(), 1);
    assert!(moved[0].contains(&lost.to_string()), "{moved:?}");
    let warnings = testbed.runtime.warnings().await.unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains(&used.to_string()), "{warnings:?}");
}

#[tokio::test]
async fn directories_that_cannot_be_listed_hinder_no_adoption() {
    let testbed = Testbed::open();
    let id = testbed.create("web", always()).await;
    testbed.store_run(id, &ended()).await;
    fs::write(testbed.runtime.0.dirs.containers(), "").unwrap();
    within(testbed.runtime.adopt()).await;
    let run = testbed.until(id, |seen| seen.refusals + seen.ends == 1);
    assert!(!run.await.error.is_empty());
}
