use super::{Health, HealthResult, HealthStatus};

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
