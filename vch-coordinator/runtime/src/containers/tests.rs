use super::*;
use crate::{
    Stop,
    lifecycle::{Answer, Refused, Request},
    tests::{Testbed, event, exited, within, workload},
    workload::RestartWhen,
};
use futures_util::FutureExt;
use std::{fs, task::Poll};
use vch_ledger::Command;

#[tokio::test]
async fn a_client_that_waits_is_told_when_what_it_waits_for_has_happened() {
    let testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", workload()).await;
    let runtime = &testbed.runtime;
    let mut stopped = Box::pin(runtime.awaited(id, Until::NotRunning).await.unwrap());
    let mut ended = Box::pin(runtime.awaited(id, Until::NextExit).await.unwrap());
    let mut removed = Box::pin(runtime.awaited(id, Until::Removed).await.unwrap());
    for waiting in [
        futures_util::poll!(&mut stopped),
        futures_util::poll!(&mut ended),
        futures_util::poll!(&mut removed),
    ] {
        assert!(waiting.is_pending(), "{waiting:?}");
    }
    shim.exit(3).await;
    assert_eq!(within(stopped).await.exit_code, 3);
    assert_eq!(within(ended).await.exit_code, 3);
    assert_eq!(removed.as_mut().now_or_never(), None);
    // The container has ended already: this holds at once, and the next end is another one.
    let now = within(runtime.wait(id, Until::NotRunning)).await.unwrap();
    assert_eq!(now.exit_code, 3);
    let mut next = Box::pin(runtime.awaited(id, Until::NextExit).await.unwrap());
    assert_eq!(futures_util::poll!(&mut next), Poll::Pending);
    within(runtime.remove(id, false)).await.unwrap();
    assert_eq!(within(removed).await.exit_code, 3);
    assert_eq!(within(next).await.exit_code, 3);
    shim.vanish().await;
}

#[tokio::test]
async fn a_removal_that_a_new_supervisor_finds_is_told_to_clients_that_wait() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    // The supervisor reads the container only after this transaction.
    let removed = testbed.runtime.awaited(id, Until::Removed).await.unwrap();
    testbed
        .carry_out(Command::RemoveContainer {
            container: id.into(),
            force: true,
        })
        .await;
    within(removed).await;
    assert!(testbed.runtime.known_handle(id).is_none());
}

#[tokio::test]
async fn an_update_is_stored_told_and_in_force_at_once() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    let cpu_max = || {
        let file = testbed.cgroups().join(id.to_string()).join("cpu.max");
        fs::read_to_string(file).unwrap()
    };
    assert_eq!(cpu_max(), "200000 100000");
    let mut events = testbed.runtime.events().listen();
    let update = Update {
        restart: Some(RestartPolicy {
            when: RestartWhen::Always,
            most: 0,
        }),
        resources: Some(Resources {
            nano_cpus: 500_000_000,
            ..Resources::default()
        }),
    };
    within(testbed.runtime.update(id, update)).await.unwrap();
    assert_eq!(cpu_max(), "50000 100000");
    event(&mut events, |action| *action == ContainerAction::Updated).await;
    let stored = testbed.runtime.require(id).await.unwrap().workload;
    assert_eq!(stored.restart.when, RestartWhen::Always);
    assert_eq!(stored.resources.nano_cpus, 500_000_000);
    // The new policy applies to the run that is under way.
    shim.end(exited(1)).await;
    testbed.until(id, |seen| seen.ends == 1).await;
    shim.begins();
    let run = testbed.until(id, |seen| seen.starts == 2).await;
    assert_eq!(run.restarts, 1);
}

#[tokio::test]
async fn an_update_of_a_container_that_does_not_run_touches_no_cgroup() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let update = Update::default();
    within(testbed.runtime.update(id, update)).await.unwrap();
    assert!(!testbed.cgroups().join(id.to_string()).exists());
}

#[tokio::test]
async fn an_update_whose_limits_cannot_be_set_is_an_error_and_is_stored() {
    let testbed = Testbed::open();
    let (id, _shim) = testbed.running("web", workload()).await;
    let file = testbed.cgroups().join(id.to_string()).join("cpu.max");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let update = Update {
        restart: None,
        resources: Some(Resources {
            tasks: 9,
            ..Resources::default()
        }),
    };
    let error = within(testbed.runtime.update(id, update))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, RuntimeError::File { path, .. } if *path == file),
        "{error:?}"
    );
    let stored = testbed.runtime.require(id).await.unwrap().workload;
    assert_eq!(stored.resources.tasks, 9);
}

#[tokio::test]
async fn a_supervisor_that_cannot_read_its_container_refuses_and_makes_way_for_another() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let snapshot = testbed.runtime.require(id).await.unwrap();
    let text = serde_json::to_string(&*snapshot.workload).unwrap();
    let document = |text: &str| Command::Document {
        container: id.into(),
        kind: DocumentKind::Workload,
        text: text.to_owned(),
    };
    testbed.carry_out(document("{")).await;
    let handle = testbed.runtime.handle_of(&snapshot);
    let answer = within(handle.request(Request::Start)).await;
    let Some(Answer::Refused(Refused::Failed(error))) = answer else {
        panic!("{answer:?}");
    };
    assert!(matches!(*error, RuntimeError::Document(_)), "{error:?}");
    assert!(testbed.runtime.known_handle(id).is_none());
    testbed.carry_out(document(&text)).await;
    let stopped = testbed.runtime.stop(id, Stop::default());
    assert!(!within(stopped).await.unwrap(), "it does not run");
}
