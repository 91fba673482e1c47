use super::*;
use crate::tests::{Testbed, within, workload};
use std::{fs, os::unix::fs::symlink};

/// Makes it unknown whether the container's shim runs.
fn hide(testbed: &Testbed, id: ContainerId) {
    let dir = testbed.runtime.log_dir(id);
    fs::create_dir_all(&dir).unwrap();
    symlink("shim.lock", dir.join("shim.lock")).unwrap();
}

#[tokio::test]
async fn a_shim_is_alive_as_long_as_its_process_is() {
    let testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", workload()).await;
    let pid = shim.process().pid();
    let alive = testbed.runtime.liveness(id).await.unwrap();
    assert!(
        matches!(alive, Liveness::Alive(found) if found == pid),
        "{alive:?}"
    );
    let killing = testbed.runtime.kill_shim(id);
    let (killed, ()) = within(async { tokio::join!(killing, shim.killed()) }).await;
    killed.unwrap();
    let dead = testbed.runtime.liveness(id).await.unwrap();
    assert!(matches!(dead, Liveness::Dead), "{dead:?}");
    within(testbed.runtime.kill_shim(id)).await.unwrap();
    let run = testbed.until(id, |seen| seen.ends == 1).await;
    assert_eq!(run.exit_code, 137);
}

#[tokio::test]
async fn a_shim_of_which_nothing_is_known_is_neither_killed_nor_an_orphan() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    hide(&testbed, id);
    let error = within(testbed.runtime.kill_shim(id)).await.unwrap_err();
    let dir = testbed.runtime.log_dir(id);
    assert!(
        matches!(&error, RuntimeError::File { path, .. } if *path == dir),
        "{error:?}"
    );
    assert!(!testbed.runtime.is_orphan(id).await);
    testbed.runtime.note_orphan(id);
    assert_eq!(testbed.runtime.orphans().await, [""; 0]);
}

#[tokio::test]
async fn a_container_that_runs_is_no_orphan_whatever_was_noted() {
    let testbed = Testbed::open();
    let (id, _shim) = testbed.running("web", workload()).await;
    testbed.runtime.note_orphan(id);
    assert_eq!(testbed.runtime.orphans().await, [""; 0]);
}
