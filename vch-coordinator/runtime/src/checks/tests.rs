use super::{args, pause};
use crate::{health::HealthStatus, workload::HealthCheck};
use std::time::Duration;

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
