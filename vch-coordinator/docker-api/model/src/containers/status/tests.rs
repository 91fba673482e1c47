use crate::containers::status::*;

fn run_state(status: Status) -> RunState {
    RunState {
        status,
        started_ms: 1_000,
        finished_ms: 5_000,
        exit_code: 3,
        ..RunState::default()
    }
}

#[test]
fn the_status_line_is_dockerds() {
    let line = |status, now| line(&run_state(status), None, now);
    assert_eq!(line(Status::Created, 0), "Created");
    assert_eq!(line(Status::Running, 1_500), "Up Less than a second");
    assert_eq!(line(Status::Running, 6_000), "Up 5 seconds");
    assert_eq!(line(Status::Exited, 7_205_000), "Exited (3) 2 hours ago");
    assert_eq!(
        line(Status::Restarting, 6_000),
        "Restarting (3) 1 second ago"
    );
}

#[test]
fn health_stands_behind_the_time() {
    let health = |status| Health {
        status,
        ..Health::default()
    };
    let line = |status| line(&run_state(Status::Running), Some(&health(status)), 3_000);
    assert_eq!(
        line(HealthStatus::Starting),
        "Up 2 seconds (health: starting)"
    );
    assert_eq!(line(HealthStatus::Healthy), "Up 2 seconds (healthy)");
    assert_eq!(line(HealthStatus::Unhealthy), "Up 2 seconds (unhealthy)");
}

#[test]
fn ages_are_those_of_go_units() {
    let cases = [
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3_599, "59 minutes"),
        (3_600, "About an hour"),
        (5_400, "2 hours"),
        (47 * 3_600, "47 hours"),
        (48 * 3_600, "2 days"),
        (14 * 86_400, "2 weeks"),
        (60 * 86_400, "2 months"),
        (730 * 86_400, "2 years"),
    ];
    for (seconds, text) in cases {
        assert_eq!(age(Duration::from_secs(seconds)), text, "{seconds} s");
    }
}

#[test]
fn no_time_is_gos_zero() {
    assert_eq!(moment(0), NEVER);
    assert_eq!(moment(1_000), "1970-01-01T00:00:01Z");
}
