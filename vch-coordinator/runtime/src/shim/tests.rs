use super::*;
use crate::{
    launch::tests::sample,
    tests::{FakeShim, eventually, vms, within},
};
use tempfile::TempDir;
use vch_shim::{Liveness, liveness};

/// Returns a launch whose directories are below `dir`.
fn launch(dir: &TempDir) -> Launch {
    let launch = Launch {
        dir: dir.path().join("container"),
        sockets: dir.path().join("sockets"),
        ..sample()
    };
    std::fs::create_dir(&launch.dir).unwrap();
    launch
}

async fn started(vms: &Vms, launch: &Launch) -> Result<u32, RuntimeError> {
    let abort = CancellationToken::new();
    within(spawn(vms, launch, &Tasks::default(), &abort)).await
}

/// Returns the reason of a shim that was not started.
fn reason(started: Result<u32, RuntimeError>) -> String {
    match started {
        Err(RuntimeError::NotStarted { code: 125, reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_shim_that_says_that_it_is_ready_is_started_and_known_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let launch = launch(&dir);
    let shim = FakeShim::listen(&launch.sockets, launch.dir.clone());
    shim.begins();
    let pid = started(&vms(), &launch).await.unwrap();
    let alive = liveness(&launch.dir, &launch.sockets);
    assert!(
        matches!(alive, Liveness::Alive(found) if found == pid),
        "{alive:?}"
    );
    // Its process ends with what holds the pipe open, and is reaped.
    drop(shim);
    let process = format!("/proc/{pid}");
    let gone = || (!Path::new(&process).exists()).then_some(());
    eventually(gone).await;
}

#[tokio::test]
async fn a_program_that_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let launch = launch(&dir);
    let program = dir.path().join("vch-shim");
    let vms = Vms {
        shim: Some(program.clone()),
        ..vms()
    };
    let is_of = |error: &RuntimeError| matches!(error, RuntimeError::File { what: "start", path, .. } if *path == program);
    let error = started(&vms, &launch).await.unwrap_err();
    assert!(is_of(&error), "{error:?}");
    let template = dir.path().join("template");
    let error = within(save(&vms, &launch, &template)).await.unwrap_err();
    assert!(is_of(&error), "{error:?}");
    assert!(!template.exists());
    // Without a configured one it is the one beside this program, as it is beside the coordinator.
    let own = std::env::current_exe().unwrap();
    let beside = super::program(&Vms { shim: None, ..vms }).unwrap();
    assert_eq!(beside, own.with_file_name("vch-shim"));
}

#[tokio::test]
async fn a_directory_that_is_missing_starts_no_process() {
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch {
        dir: dir.path().join("missing"),
        ..launch(&dir)
    };
    let error = started(&vms(), &launch).await.unwrap_err();
    assert!(
        matches!(&error, RuntimeError::File { what: "write into", path, .. } if *path == launch.dir),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_shim_that_ends_before_it_is_ready_is_told_in_its_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let launch = launch(&dir);
    let shim = FakeShim::listen(&launch.sockets, launch.dir.clone());
    shim.fails("no room for the outcome");
    let refused = reason(started(&vms(), &launch).await);
    assert_eq!(refused, "the VM's shim: no room for the outcome");
    // Another program says nothing of the kind.
    let other = Vms {
        shim: Some("/bin/true".into()),
        ..vms()
    };
    let refused = reason(started(&other, &launch).await);
    assert!(refused.starts_with("the VM's shim: "), "{refused}");
}

#[tokio::test]
async fn a_start_that_is_cancelled_leaves_no_process() {
    let dir = tempfile::tempdir().unwrap();
    let launch = launch(&dir);
    // It is told nothing, and does not become ready.
    let _shim = FakeShim::listen(&launch.sockets, launch.dir.clone());
    let (abort, tasks, vms) = (CancellationToken::new(), Tasks::default(), vms());
    let mut starting = Box::pin(spawn(&vms, &launch, &tasks, &abort));
    assert!(futures_util::poll!(&mut starting).is_pending());
    abort.cancel();
    let refused = reason(within(starting).await);
    assert!(refused.contains("interrupted"), "{refused}");
    let dead = liveness(&launch.dir, &launch.sockets);
    assert!(matches!(dead, Liveness::Dead), "{dead:?}");
}

#[tokio::test]
async fn a_template_is_made_by_the_same_program_or_its_failure_told() {
    let dir = tempfile::tempdir().unwrap();
    let launch = launch(&dir);
    let template = dir.path().join("templates/one");
    within(save(&vms(), &launch, &template)).await.unwrap();
    assert!(vch_shim::template::is_there(&template));
    let fails = Vms {
        shim: Some("/bin/false".into()),
        ..vms()
    };
    let error = within(save(&fails, &launch, &template)).await.unwrap_err();
    assert!(
        matches!(error, RuntimeError::NotStarted { code: 125, .. }),
        "{error:?}"
    );
}
