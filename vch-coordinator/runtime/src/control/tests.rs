use super::*;
use crate::{
    event::ContainerAction,
    tests::{Manner, Testbed, event, within, workload},
    workload::{Status, VmSize},
};
use protocol::process::ProcessId;
use std::fs;
use vch_engine::RequestError;
use vch_ledger::{Command, Id};
use vch_shim::testing::Request as ShimRequest;

const TERM: u8 = 15;

fn signal(number: u8) -> ShimRequest {
    ShimRequest::Signal(ProcessId::MAIN, number)
}

fn unknown() -> ContainerId {
    ContainerId::from_bytes([7; 32])
}

#[tokio::test]
async fn a_start_is_answered_when_the_process_runs_and_a_second_one_changes_nothing() {
    let testbed = Testbed::open();
    let mut events = testbed.runtime.events().listen();
    let (id, shim) = testbed.running("web", workload()).await;
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert!(snapshot.container.runs());
    assert_eq!(snapshot.run_state.status, Status::Running);
    assert_eq!(snapshot.run_state.pid, shim.process().pid());
    let vm = VmSize {
        memory_mib: 256,
        cpus: 1,
    };
    assert_eq!(snapshot.run_state.vm, vm);
    let started = event(&mut events, |action| *action == ContainerAction::Started).await;
    assert_eq!((started.container, started.name.as_str()), (id, "web"));
    assert!(!within(testbed.runtime.start(id)).await.unwrap());
    let phases = within(testbed.runtime.trace(id)).await.unwrap();
    let phases: Vec<&str> = phases.iter().map(|phase| &*phase.name).collect();
    assert_eq!(phases, ["asked", "disks", "committed", "turn", "launched"]);
}

#[tokio::test]
async fn a_stop_sends_the_stop_signal_and_stores_that_a_user_stopped_it() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    let mut events = testbed.runtime.events().listen();
    let stop = testbed.runtime.stop(id, Stop::default());
    assert!(within(stop).await.unwrap());
    assert_eq!(shim.requests(), [signal(TERM)]);
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert!(!snapshot.container.runs(), "its names and ports are free");
    let run = snapshot.run_state;
    assert_eq!((run.status, run.exit_code), (Status::Exited, 143));
    assert!(run.stopped_by_user);
    event(&mut events, |action| *action == ContainerAction::Stopped).await;
    assert!(
        !within(testbed.runtime.stop(id, Stop::default()))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_process_that_ignores_the_stop_signal_is_killed_after_the_grace_period() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    shim.behave(Manner::Deaf);
    let how = Stop {
        grace: Some(Duration::ZERO),
        signal: Some(1),
    };
    let stopping = testbed.runtime.stop(id, how);
    let killing = async {
        shim.asked(|request| *request == signal(KILL)).await;
        shim.exit(137).await;
    };
    let (stopped, ()) = within(async { tokio::join!(stopping, killing) }).await;
    assert!(stopped.unwrap());
    assert_eq!(shim.requests(), [signal(1), signal(KILL)]);
}

#[tokio::test]
async fn a_restart_ends_the_run_and_begins_another() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    let first = shim.process().pid();
    let restarting = testbed.runtime.restart(id, Stop::default());
    let beginning = async {
        testbed.until(id, |seen| seen.ends == 1).await;
        shim.begins();
    };
    let (restarted, ()) = within(async { tokio::join!(restarting, beginning) }).await;
    restarted.unwrap();
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!(run.status, Status::Running);
    assert_ne!(run.pid, first);
}

#[tokio::test]
async fn a_signal_that_the_shim_refuses_is_an_error_and_the_container_runs_on() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    shim.behave(Manner::Refuses("the guest does not listen"));
    let refused = within(testbed.runtime.kill(id, TERM)).await.unwrap_err();
    assert_eq!(refused.to_string(), "the guest does not listen");
    shim.behave(Manner::Closes);
    let gone = within(testbed.runtime.kill(id, TERM)).await.unwrap_err();
    assert!(
        matches!(gone, RuntimeError::Shim(ClientError::Gone(_))),
        "{gone:?}"
    );
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!(run.status, Status::Running);
    shim.behave(Manner::Obeys);
    let mut events = testbed.runtime.events().listen();
    within(testbed.runtime.kill(id, TERM)).await.unwrap();
    let sent = ContainerAction::Signalled(TERM);
    event(&mut events, |action| *action == sent).await;
}

#[tokio::test]
async fn a_container_that_does_not_run_receives_no_signal() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    for number in [TERM, KILL] {
        let refused = within(testbed.runtime.kill(id, number)).await.unwrap_err();
        assert!(
            matches!(refused, RuntimeError::NotRunning(_)),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn only_a_removal_by_force_ends_a_container_that_runs() {
    let testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", workload()).await;
    let refused = within(testbed.runtime.remove(id, false)).await.unwrap_err();
    let RuntimeError::Running { name, state } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((name.as_str(), state), ("web", "running"));
    let mut events = testbed.runtime.events().listen();
    within(testbed.runtime.remove(id, true)).await.unwrap();
    assert!(testbed.runtime.get(id).await.unwrap().is_none());
    assert!(!testbed.runtime.log_dir(id).exists());
    let removed = event(&mut events, |action| *action == ContainerAction::Removed).await;
    assert_eq!(removed.name, "web");
    let gone = within(testbed.runtime.start(id)).await.unwrap_err();
    assert!(matches!(gone, RuntimeError::NotOurs(_)), "{gone:?}");
    shim.vanish().await;
}

#[tokio::test]
async fn a_vch_that_starts_no_vms_says_so() {
    let testbed = Testbed::open_with(None);
    let runtime = &testbed.runtime;
    let start = runtime.start(unknown()).await.unwrap_err();
    let restart = runtime.restart(unknown(), Stop::default()).await;
    for refused in [start, restart.unwrap_err()] {
        assert!(matches!(refused, RuntimeError::Disabled), "{refused:?}");
        assert!(refused.to_string().contains("[runtime]"), "{refused}");
    }
    assert_eq!(runtime.vms_unlimited(), None);
}

#[tokio::test]
async fn a_container_that_is_unknown_is_none_of_the_runtimes() {
    let testbed = Testbed::open();
    let runtime = &testbed.runtime;
    let id = unknown();
    let refused = [
        runtime.start(id).await.unwrap_err(),
        runtime.stop(id, Stop::default()).await.unwrap_err(),
        runtime.kill(id, KILL).await.unwrap_err(),
        runtime.remove(id, true).await.unwrap_err(),
        runtime.not_started(id, "why").await.unwrap_err(),
        runtime.trace(id).await.unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, RuntimeError::NotOurs(_)), "{error:?}");
    }
}

#[tokio::test]
async fn the_reason_of_a_refused_start_is_stored() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let stored = testbed.runtime.not_started(id, "no such network");
    within(stored).await.unwrap();
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!((run.exit_code, &*run.error), (128, "no such network"));
    assert_eq!(run.status, Status::Created);
}

#[tokio::test]
async fn a_request_to_a_coordinator_that_has_stopped_is_not_answered_as_done() {
    let testbed = Testbed::open();
    let (id, _shim) = testbed.running("web", workload()).await;
    within(testbed.runtime.close()).await;
    let ended = testbed.runtime.stop(id, Stop::default());
    let ended = within(ended).await.unwrap_err();
    assert!(
        matches!(
            ended,
            RuntimeError::Request(RequestError::NotKept(WriterError::Ended))
        ),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_container_whose_row_is_removed_elsewhere_loses_its_directory_and_its_supervisor() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let snapshot = testbed.runtime.require(id).await.unwrap();
    let mut seen = testbed.runtime.handle_of(&snapshot).watch();
    // Its supervisor answers.
    let stopped = testbed.runtime.stop(id, Stop::default());
    assert!(!within(stopped).await.unwrap());
    let dir = testbed.runtime.log_dir(id);
    fs::create_dir_all(&dir).unwrap();
    testbed
        .carry_out(Command::RemoveContainer {
            container: id.into(),
            force: true,
        })
        .await;
    within(testbed.runtime.discard_removed(id)).await;
    assert!(!dir.exists());
    within(seen.wait_for(|seen| seen.gone)).await.unwrap();
    assert!(testbed.runtime.known_handle(id).is_none());
}

#[tokio::test]
async fn the_phases_of_a_run_that_has_ended_are_read_from_its_outcome() {
    let testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", workload()).await;
    let phase = |name: &str| Phase {
        name: name.to_owned(),
        at_us: 1,
        uptime_us: None,
    };
    let outcome = Outcome {
        phases: vec![phase("qemu")],
        ..crate::tests::exited(0)
    };
    shim.end(outcome).await;
    testbed.until(id, |seen| seen.ends == 1).await;
    shim.vanish().await;
    let phases = within(testbed.runtime.trace(id)).await.unwrap();
    assert_eq!(phases.last().unwrap().name, "qemu");
}

#[tokio::test]
async fn a_shim_that_does_not_tell_its_stage_is_not_waited_for_without_end() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    shim.behave(Manner::Silent);
    tokio::time::pause();
    let late = testbed.runtime.trace(id).await.unwrap_err();
    assert!(
        matches!(late, RuntimeError::Shim(ClientError::Timeout(STAGE))),
        "{late:?}"
    );
}
