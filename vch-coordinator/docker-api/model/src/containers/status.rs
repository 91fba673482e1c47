//! The status of a container, in Docker's words.

use serde::Serialize;
use std::time::Duration;
use vch_runtime::{
    ContainerSnapshot, Health, HealthStatus,
    workload::{RunState, Status},
};

use crate::time::rfc3339;

/// The time that Docker shows for an event that has not happened: Go's zero time.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// Returns Docker's word for a container's status: `created`, `running`, `restarting`, `exited` or `removing`.
pub fn word(run_state: &RunState) -> &'static str {
    match run_state.status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Restarting => "restarting",
        Status::Exited => "exited",
        Status::Removing => "removing",
    }
}

/// Returns a time, given in milliseconds since 1970, in RFC 3339; [`NEVER`] for 0.
pub fn moment(ms: u64) -> String {
    match ms {
        0 => NEVER.to_owned(),
        ms => rfc3339(Duration::from_millis(ms)),
    }
}

/// Returns the status line of `docker ps`, such as `Up 5 seconds (healthy)`, `Exited (0) 2 hours ago` or `Created`.
/// `now_ms` is the present time in milliseconds since 1970.
pub fn line(run_state: &RunState, health: Option<&Health>, now_ms: u64) -> String {
    let since = |then: u64| age(Duration::from_millis(now_ms.saturating_sub(then)));
    match run_state.status {
        Status::Created => "Created".to_owned(),
        Status::Removing => "Removal In Progress".to_owned(),
        Status::Running => {
            let up = format!("Up {}", since(run_state.started_ms));
            match health.map(|health| health.status) {
                None => up,
                Some(HealthStatus::Starting) => format!("{up} (health: starting)"),
                Some(HealthStatus::Healthy) => format!("{up} (healthy)"),
                Some(HealthStatus::Unhealthy) => format!("{up} (unhealthy)"),
            }
        }
        Status::Restarting => {
            let (code, since) = (run_state.exit_code, since(run_state.finished_ms));
            format!("Restarting ({code}) {since} ago")
        }
        Status::Exited => {
            let (code, since) = (run_state.exit_code, since(run_state.finished_ms));
            format!("Exited ({code}) {since} ago")
        }
    }
}

/// Returns a duration in words, such as `5 seconds` or `About an hour`, as `HumanDuration` of docker/go-units does.
pub fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    let minutes = seconds / 60;
    // go-units rounds hours half up.
    let hours = (seconds + 1_800) / 3_600;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (2..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, 2..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., 2..48) => format!("{hours} hours"),
        (.., 48..336) => format!("{} days", hours / 24),
        (.., 336..1_440) => format!("{} weeks", hours / 24 / 7),
        (.., 1_440..17_520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3_600 / 24 / 365),
    }
}

/// The `State` of a container in `docker inspect`: whether it runs, its exit code, its times and its health.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerState<'a> {
    status: &'static str,
    running: bool,
    paused: bool,
    restarting: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    dead: bool,
    pid: u32,
    exit_code: i32,
    error: &'a str,
    started_at: String,
    finished_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<HealthState<'a>>,
}

/// The health of a container.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct HealthState<'a> {
    status: &'static str,
    failing_streak: i64,
    log: Vec<HealthLog<'a>>,
}

/// The result of a health check.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct HealthLog<'a> {
    start: String,
    end: String,
    exit_code: i64,
    output: &'a str,
}

impl<'a> ContainerState<'a> {
    /// Returns the state of a container. A container that waits for its restart counts as running, as in dockerd.
    pub fn of(snapshot: &'a ContainerSnapshot) -> Self {
        let run_state = &snapshot.run_state;
        let restarting = run_state.status == Status::Restarting;
        Self {
            status: word(run_state),
            // dockerd also calls a container running that waits for its restart.
            running: restarting || run_state.status == Status::Running,
            paused: false,
            restarting,
            oom_killed: run_state.out_of_memory,
            dead: false,
            pid: run_state.pid,
            exit_code: run_state.exit_code,
            error: &run_state.error,
            started_at: moment(run_state.started_ms),
            finished_at: moment(run_state.finished_ms),
            health: snapshot.health.as_ref().map(HealthState::of),
        }
    }
}

impl<'a> HealthState<'a> {
    fn of(health: &'a Health) -> Self {
        let at = |ns: u128| {
            let ns = u64::try_from(ns).unwrap_or(u64::MAX);
            rfc3339(Duration::from_nanos(ns))
        };
        let log = health.log.iter().map(|result| HealthLog {
            start: at(result.start_ns),
            end: at(result.end_ns),
            exit_code: result.code,
            output: &result.output,
        });
        Self {
            status: health.status.as_str(),
            failing_streak: health.failing,
            log: log.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
