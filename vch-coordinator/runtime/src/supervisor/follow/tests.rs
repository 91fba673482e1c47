use super::*;
use crate::{
    event::ContainerAction,
    tests::{Manner, Testbed, event, exited, failed, within, workload, write_outcome},
    workload::{RunState, Status},
};

/// Returns a run that an earlier coordinator recorded as running.
fn running() -> RunState {
    RunState {
        status: Status::Running,
        started_ms: 1,
        ..RunState::default()
    }
}

/// Returns the run of a container that has ended before, and is being started again.
fn starting_again() -> RunState {
    RunState {
        status: Status::Exited,
        started_ms: 1,
        finished_ms: 50,
        ..RunState::default()
    }
}

/// Returns the run that is stored of a container whose shim is gone and wrote this as its outcome.
async fn ends_as(run: RunState, outcome: Option<&[u8]>) -> RunState {
    let testbed = Testbed::open();
    let id = testbed.found("web", workload(), &run).await;
    let dir = testbed.runtime.log_dir(id);
    std::fs::create_dir_all(&dir).unwrap();
    if let Some(text) = outcome {
        std::fs::write(dir.join("exit.json"), text).unwrap();
    }
    within(testbed.runtime.adopt()).await;
    testbed.until(id, |seen| seen.ends == 1).await
}

#[tokio::test]
async fn a_run_whose_shim_is_gone_ended_as_the_shim_wrote() {
    let outcome = serde_json::to_vec(&exited(3)).unwrap();
    let run = ends_as(running(), Some(&outcome)).await;
    assert_eq!((run.status, run.exit_code), (Status::Exited, 3));
    assert_eq!(run.error, "");
}

#[tokio::test]
async fn a_run_whose_shim_is_gone_without_a_word_was_killed() {
    for outcome in [None, Some(&b""[..]), Some(b"{\"code\": 3"), Some(b"[]")] {
        let run = ends_as(running(), outcome).await;
        assert_eq!((run.status, run.exit_code), (Status::Exited, 137));
        assert!(run.error.contains("shim was killed"), "{run:?}");
    }
}

#[tokio::test]
async fn a_shim_whose_connection_breaks_is_connected_to_again() {
    let testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", workload()).await;
    shim.vanish().await;
    shim.listen_again();
    // A second client that watches is the supervisor.
    shim.watched(2).await;
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!(run.status, Status::Running);
    shim.exit(3).await;
    let run = testbed.until(id, |seen| seen.ends == 1).await;
    assert_eq!((run.exit_code, run.error), (3, String::new()));
}

#[tokio::test]
async fn a_shim_that_never_answers_ends_no_run_and_hinders_no_answer() {
    let testbed = Testbed::open();
    let id = testbed.found("web", workload(), &running()).await;
    let shim = testbed.shim(id).await;
    shim.behave(Manner::Silent);
    within(testbed.runtime.adopt()).await;
    shim.watched(1).await;
    let refused = within(testbed.runtime.remove(id, false)).await.unwrap_err();
    assert!(
        matches!(refused, RuntimeError::Running { .. }),
        "{refused:?}"
    );
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!(run, running());
}

#[tokio::test]
async fn a_start_that_an_earlier_coordinator_began_is_followed_until_the_process_runs() {
    let testbed = Testbed::open();
    let id = testbed.found("web", workload(), &RunState::default()).await;
    let shim = testbed.shim(id).await;
    let mut events = testbed.runtime.events().listen();
    within(testbed.runtime.adopt()).await;
    shim.watched(1).await;
    shim.process_runs(77);
    event(&mut events, |action| *action == ContainerAction::Started).await;
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!((run.status, run.started_ms), (Status::Running, 77));
    shim.exit(0).await;
    testbed.until(id, |seen| seen.ends == 1).await;
}

#[tokio::test]
async fn a_start_that_an_earlier_coordinator_began_ends_as_its_shim_tells() {
    let testbed = Testbed::open();
    let id = testbed.found("web", workload(), &RunState::default()).await;
    let shim = testbed.shim(id).await;
    within(testbed.runtime.adopt()).await;
    shim.watched(1).await;
    shim.end(failed("boot-timeout", "no answer from init"))
        .await;
    let run = testbed.until(id, |seen| seen.ends == 1).await;
    assert_eq!((run.exit_code, &*run.error), (125, "no answer from init"));
}

#[tokio::test]
async fn a_start_without_a_shim_is_given_up_when_none_can_come_any_more() {
    // The outcome on disk is of the run before.
    let before = Outcome {
        started_ms: 1,
        finished_ms: 50,
        ..exited(9)
    };
    let before = serde_json::to_vec(&before).unwrap();
    let run = ends_as(starting_again(), Some(&before)).await;
    assert_eq!((run.status, run.exit_code), (Status::Exited, 137));
    assert!(run.error.contains("shim was killed"), "{run:?}");
    assert!(run.finished_ms > 50, "{run:?}");
}

#[tokio::test]
async fn a_run_that_began_and_ended_between_two_coordinators_is_told_whole() {
    let testbed = Testbed::open();
    let id = testbed.found("web", workload(), &starting_again()).await;
    let outcome = Outcome {
        started_ms: 60,
        finished_ms: 70,
        ..exited(4)
    };
    write_outcome(&testbed.runtime.log_dir(id), &outcome);
    let mut events = testbed.runtime.events().listen();
    within(testbed.runtime.adopt()).await;
    event(&mut events, |action| *action == ContainerAction::Started).await;
    let died = |action: &ContainerAction| matches!(action, ContainerAction::Died { code: 4, .. });
    event(&mut events, died).await;
    let run = testbed.until(id, |seen| seen.ends == 1).await;
    assert_eq!((run.started_ms, run.finished_ms), (60, 70));
}
