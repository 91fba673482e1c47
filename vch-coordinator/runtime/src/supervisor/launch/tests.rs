use super::*;
use crate::{
    lifecycle::Stop,
    tests::{
        BROKEN_IMAGE, DataPlane, FakeShim, Testbed, exited, failed, request, vms, within, workload,
    },
    workload::Status,
};
use std::{fs, os::unix::fs::symlink};
use vch_ledger::{Connect, CreateNetwork, Refusal};
use vch_shim::testing::Request;

/// Starts a container that does not start; returns the error.
async fn refused(testbed: &Testbed, id: ContainerId) -> RuntimeError {
    let error = within(testbed.runtime.start(id)).await.unwrap_err();
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert!(!snapshot.container.runs(), "its names and ports are free");
    error
}

/// Asserts that a container starts.
async fn starts(testbed: &Testbed, id: ContainerId, shim: &FakeShim) {
    shim.begins();
    assert!(within(testbed.runtime.start(id)).await.unwrap());
}

#[tokio::test]
async fn a_start_without_its_image_is_refused_before_anything_is_in_force() {
    let testbed = Testbed::open();
    let broken = Workload {
        image: BROKEN_IMAGE.to_owned(),
        ..workload()
    };
    let id = testbed.create("web", broken).await;
    let error = refused(&testbed, id).await;
    assert!(matches!(error.own(), RuntimeError::NoImage(_)), "{error:?}");
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!((run.status, run.exit_code), (Status::Created, 128));
    assert!(!testbed.runtime.writable_disk(id).exists());
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let dir = testbed.runtime.log_dir(id);
    fs::create_dir(testbed.runtime.0.dirs.containers()).unwrap();
    symlink("missing", &dir).unwrap();
    let error = refused(&testbed, id).await;
    let error = error.own();
    assert!(
        matches!(error, RuntimeError::File { what: "make", path, .. } if *path == dir),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_start_that_the_data_plane_refuses_is_undone() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    testbed.set_data_plane(DataPlane::Refuses);
    let error = within(testbed.runtime.start(id)).await.unwrap_err();
    assert!(
        matches!(error, RuntimeError::Request(RequestError::Effect { .. })),
        "{error:?}"
    );
    testbed.set_data_plane(DataPlane::Follows);
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!((run.status, run.exit_code), (Status::Created, 128));
    assert_eq!(run.finished_ms, 0, "there was no VM");
    starts(&testbed, id, &shim).await;
}

#[tokio::test]
async fn a_shim_that_does_not_start_is_told_in_its_words_and_leaves_the_container_startable() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    shim.fails("no such kernel");
    let error = refused(&testbed, id).await;
    assert!(
        matches!(error, RuntimeError::NotStarted { code: 125, .. }),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "the VM's shim: no such kernel");
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!((run.status, run.exit_code), (Status::Created, 125));
    starts(&testbed, id, &shim).await;
}

#[tokio::test]
async fn a_vm_that_ends_before_its_process_runs_is_a_failed_start() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    shim.boots();
    let ending = async {
        shim.watched(1).await;
        let outcome = Outcome {
            code: 127,
            ..failed("not-found", "exec: \"true\": not found")
        };
        shim.end(outcome).await;
    };
    let (error, ()) = tokio::join!(refused(&testbed, id), ending);
    assert!(
        matches!(error, RuntimeError::NotStarted { code: 127, .. }),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "exec: \"true\": not found");
}

#[tokio::test]
async fn a_start_that_waits_for_its_shim_is_ended_by_a_kill() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    // Its process is told nothing, and does not become ready.
    let _shim = testbed.shim(id).await;
    let killing = async {
        testbed.until(id, |seen| seen.starting).await;
        within(testbed.runtime.kill(id, 9)).await
    };
    let (error, killed) = tokio::join!(refused(&testbed, id), killing);
    assert!(
        matches!(error, RuntimeError::NotStarted { .. }),
        "{error:?}"
    );
    assert!(
        matches!(killed, Err(RuntimeError::NotRunning(_))),
        "{killed:?}"
    );
    let liveness = testbed.runtime.liveness(id).await.unwrap();
    assert!(matches!(liveness, Liveness::Dead), "{liveness:?}");
}

#[tokio::test]
async fn a_vm_that_boots_is_ended_when_its_container_is_removed() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    shim.boots();
    let removing = async {
        shim.watched(1).await;
        within(testbed.runtime.remove(id, true)).await.unwrap();
    };
    let starting = within(testbed.runtime.start(id));
    let (error, ()) = tokio::join!(starting, removing);
    let error = error.unwrap_err();
    assert!(
        matches!(error, RuntimeError::NotStarted { code: KILLED, .. }),
        "{error:?}"
    );
    assert_eq!(shim.requests(), [Request::Kill]);
    assert!(testbed.runtime.get(id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_vm_whose_limits_cannot_be_set_is_not_started_and_one_that_boots_is_ended() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    let file = testbed.cgroups().join(id.to_string()).join("cpu.max");
    fs::create_dir_all(&file).unwrap();
    let error = refused(&testbed, id).await;
    let is_of_file = |error: &RuntimeError| matches!(error.own(), RuntimeError::File { path, .. } if *path == file);
    assert!(is_of_file(&error), "{error:?}");
    fs::remove_dir(&file).unwrap();
    shim.boots();
    let breaking = async {
        shim.watched(1).await;
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        shim.process_runs(1);
    };
    let (error, ()) = tokio::join!(refused(&testbed, id), breaking);
    assert!(is_of_file(&error), "{error:?}");
    // Each failed launch ends the VM that it may have left.
    assert_eq!(shim.requests(), [Request::Kill, Request::Kill]);
}

#[tokio::test]
async fn a_start_whose_container_is_removed_elsewhere_meanwhile_is_refused() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    shim.boots();
    let removing = async {
        shim.watched(1).await;
        // The native API removes the row, and has not told the supervisor yet.
        testbed
            .carry_out(Command::RemoveContainer {
                container: id.into(),
                force: true,
            })
            .await;
        shim.process_runs(1);
    };
    let starting = within(testbed.runtime.start(id));
    let (error, ()) = tokio::join!(starting, removing);
    let error = error.unwrap_err();
    assert!(
        matches!(error, RuntimeError::Request(RequestError::Refused(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn networks_that_were_missing_are_connected_by_the_start() {
    let testbed = Testbed::open();
    let mut create = request("web", workload());
    create.connect.push(Connect::tap("web", "later"));
    let id = testbed.runtime.create(create).await.unwrap();
    let shim = testbed.shim(id).await;
    let error = refused(&testbed, id).await;
    assert!(
        matches!(
            error,
            RuntimeError::Request(RequestError::Refused(Refusal::NetworkNotFound(_)))
        ),
        "{error:?}"
    );
    let network = CreateNetwork::named("later".parse().unwrap());
    testbed.carry_out(Command::CreateNetwork(network)).await;
    // The data plane refuses the connection: it is undone, and is awaited again.
    testbed.set_data_plane(DataPlane::Refuses);
    let error = within(testbed.runtime.start(id)).await.unwrap_err();
    assert!(
        matches!(error, RuntimeError::Request(RequestError::Effect { .. })),
        "{error:?}"
    );
    testbed.set_data_plane(DataPlane::Follows);
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert_eq!(snapshot.workload.awaited.len(), 1);
    assert!(snapshot.endpoints.is_empty());
    starts(&testbed, id, &shim).await;
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert!(snapshot.workload.awaited.is_empty());
    assert_eq!(snapshot.endpoints.len(), 1);
    within(testbed.runtime.stop(id, Stop::default()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_clone_that_its_template_prevents_from_running_is_booted() {
    let guest = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = guest.path().join(name);
        fs::write(&path, name).unwrap();
        path
    };
    let vms = Vms {
        kernel: file("vmlinux"),
        initramfs: file("vm.cpio"),
        clones: true,
        ..vms()
    };
    let testbed = Testbed::open_with(Some(vms));
    let (first, _shim) = testbed.running("first", workload()).await;
    // The first VM was booted, and a template is made beside it.
    let templates = testbed.runtime.0.dirs.state.join("templates");
    let made = || {
        let entries = fs::read_dir(&templates).ok()?;
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.into_iter().find(|path| path.join("state").exists())
    };
    let template = crate::tests::eventually(made).await;
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    shim.boots();
    let failing = async {
        shim.watched(1).await;
        shim.end(failed("no-clone", "the state is of another QEMU"))
            .await;
        shim.begins();
    };
    let starting = within(testbed.runtime.start(id));
    let (started, ()) = tokio::join!(starting, failing);
    assert!(started.unwrap());
    assert!(!template.exists(), "it is not used again");
    assert_ne!(first, id);
    shim.end(exited(0)).await;
    testbed.until(id, |seen| seen.ends == 1).await;
}
