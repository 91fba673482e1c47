use super::{Health, HealthResult, HealthStatus, args, pause};
use crate::workload::HealthCheck;
use std::time::Duration;

fn result(code: i64) -> HealthResult {
    HealthResult {
        start_ns: 1,
        end_ns: 2,
        code,
        output: String::new(),
    }
}

#[test]
fn it_is_unhealthy_after_so_many_failures_in_a_row_and_healthy_after_one_success() {
    let mut health = Health::default();
    let mut seen = Vec::new();
    for code in [1, 1, 0, 1, 1, 1, 1, 0] {
        let changed = health.observe(result(code), 3, false);
        seen.push((health.status.as_str(), changed));
    }
    let expected = [
        ("starting", false),
        ("starting", false),
        ("healthy", true),
        ("healthy", false),
        ("healthy", false),
        ("unhealthy", true),
        ("unhealthy", false),
        ("healthy", true),
    ];
    assert_eq!(seen, expected);
    assert_eq!((health.failing, health.log.len()), (0, 5));
}

#[test]
fn failures_while_it_starts_do_not_count() {
    let mut health = Health::default();
    for _ in 0..9 {
        health.observe(result(1), 3, true);
    }
    assert_eq!((health.status, health.failing), (HealthStatus::Starting, 0));
    health.observe(result(0), 3, true);
    for _ in 0..3 {
        health.observe(result(1), 3, true);
    }
    assert_eq!(health.status, HealthStatus::Unhealthy, "it had started");
}

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
    // Its pace while it starts is another one, until it succeeds or its time is over.
    assert_eq!(seconds(check(9 * second, 2 * second), starting, minute), 2);
    assert_eq!(seconds(check(9 * second, 0), starting, minute), 5);
    assert_eq!(seconds(check(9 * second, 2 * second), healthy, minute), 9);
    assert_eq!(
        seconds(check(9 * second, 2 * second), starting, minute * 61),
        9
    );
}
