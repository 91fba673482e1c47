use super::{args, one, pause};
use crate::{
    Stop,
    event::ContainerAction,
    health::{Health, HealthStatus},
    launch,
    tests::{EXEC, ExecEnd, Manner, Testbed, event, within, workload},
    workload::{HealthCheck, Workload},
};
use std::time::Duration;
use vch_ledger::ContainerId;
use vch_shim::testing::Request;

#[test]
fn a_check_is_words_or_a_line_for_the_shell() {
    let check = |test: &[&str]| {
        args(&HealthCheck {
            test: test.iter().map(|&word| word.to_owned()).collect(),
            ..HealthCheck::default()
        })
    };
    assert_eq!(check(&["CMD", "true", "x"]).unwrap(), ["true", "x"]);
    assert_eq!(
        check(&["CMD-SHELL", "a | b"]).unwrap(),
        ["/bin/sh", "-c", "a | b"]
    );
    for none in [&["NONE"][..], &[], &["CMD"], &["CMD-SHELL"]] {
        assert_eq!(check(none), None, "{none:?}");
    }
}

#[test]
fn no_check_follows_another_within_a_second_whatever_is_asked_for() {
    let (hour, second) = (3_600_000_000_000, 1_000_000_000);
    let check = |interval_ns: i64, start_interval_ns: i64| HealthCheck {
        interval_ns,
        start_period_ns: hour,
        start_interval_ns,
        ..HealthCheck::default()
    };
    let minute = Duration::from_secs(60);
    let seconds = |check: HealthCheck, status: HealthStatus, since: Duration| {
        pause(&check, status, since).as_secs()
    };
    let (starting, healthy) = (HealthStatus::Starting, HealthStatus::Healthy);
    assert_eq!(seconds(check(1, 1), starting, minute), 1);
    assert_eq!(seconds(check(1, 1), healthy, minute), 1);
    assert_eq!(seconds(check(-5, 0), healthy, minute), 30);
    // In the start period a separate interval applies, until the first success or the end of the
    // period.
    assert_eq!(seconds(check(9 * second, 2 * second), starting, minute), 2);
    assert_eq!(seconds(check(9 * second, 0), starting, minute), 5);
    assert_eq!(seconds(check(9 * second, 2 * second), healthy, minute), 9);
    assert_eq!(
        seconds(check(9 * second, 2 * second), starting, minute * 61),
        9
    );
}

/// Returns a container whose check runs each second and may fail once.
fn checked() -> Workload {
    Workload {
        health: Some(HealthCheck {
            test: ["CMD", "check", "it"].map(str::to_owned).to_vec(),
            interval_ns: 1,
            retries: 1,
            ..HealthCheck::default()
        }),
        terminal: true,
        input: true,
        ..workload()
    }
}

async fn health(testbed: &Testbed, id: ContainerId) -> Option<Health> {
    testbed.runtime.require(id).await.unwrap().health
}

#[tokio::test]
async fn a_container_s_health_follows_from_its_checks_and_is_stored_and_told() {
    let testbed = Testbed::open();
    let mut events = testbed.runtime.events().listen();
    let (id, shim) = testbed.running("web", checked()).await;
    let unhealthy = async || {
        let snapshot = testbed.runtime.require(id).await.unwrap();
        snapshot.container.unhealthy
    };
    let changed =
        |status| move |action: &ContainerAction| *action == ContainerAction::HealthChanged(status);
    event(&mut events, changed(HealthStatus::Healthy)).await;
    let Some(Request::Exec(process)) = shim.requests().pop() else {
        panic!("{:?}", shim.requests());
    };
    assert_eq!(process.args, ["check", "it"]);
    assert!(process.terminal.is_none() && !process.input);
    let first = health(&testbed, id).await.unwrap();
    assert_eq!((first.log[0].code, &*first.log[0].output), (0, "checked"));
    assert!(!unhealthy().await);
    shim.let_execs_end(ExecEnd::Code(1));
    event(&mut events, changed(HealthStatus::Unhealthy)).await;
    let second = health(&testbed, id).await.unwrap();
    assert_eq!((second.failing, second.log.back().unwrap().code), (1, 1));
    assert!(unhealthy().await, "its names are answered no more");
    within(testbed.runtime.stop(id, Stop::default()))
        .await
        .unwrap();
    assert_eq!(health(&testbed, id).await, None);
}

#[tokio::test]
async fn a_check_that_cannot_run_or_takes_too_long_has_failed() {
    let testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", workload()).await;
    let snapshot = testbed.runtime.require(id).await.unwrap();
    let process = launch::process(&snapshot).unwrap();
    let check = async |limit| {
        let check = one(&testbed.runtime, &snapshot, process.clone(), limit);
        within(check).await
    };
    let long = Duration::from_secs(60);
    let told = |text: &str| (-1, text.to_owned());
    shim.behave(Manner::Refuses("no such program"));
    assert_eq!(check(long).await, told("no such program"));
    shim.behave(Manner::Closes);
    let (code, text) = check(long).await;
    assert!(code == -1 && text.contains("does not answer"), "{text}");
    shim.behave(Manner::Obeys);
    shim.let_execs_end(ExecEnd::Killed);
    let late = check(Duration::from_millis(1)).await;
    assert_eq!(late, told("Health check exceeded timeout (1ms)"));
    assert_eq!(shim.requests().last(), Some(&Request::Signal(EXEC, 9)));
    shim.vanish().await;
    let (code, text) = check(long).await;
    assert!(code == -1 && text.contains("does not answer"), "{text}");
}
