//! Health checks: runs a process in the container at intervals, and derives the container's health
//! from its exit codes.

use super::{
    ContainerSnapshot, Runtime,
    event::{ContainerAction, now_ns},
    handle::Handle,
    health::{Health, HealthResult, HealthStatus},
    launch,
    workload::HealthCheck,
};
use protocol::process::{Output, Process};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};
use vch_ledger::{Command, ContainerId};
use vch_shim::{ClientError, StreamItem};

/// Docker's defaults: the interval, timeout and retries of a check that does not set its own.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: i64 = 3;
/// Docker's default interval in a container's start period.
const START_INTERVAL: Duration = Duration::from_secs(5);
/// The shortest interval that is carried out, whatever an image or a user asks for: each check is a
/// process in the VM, and may be a commit of the ledger.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// The maximum length of a result's output in bytes, as in Docker.
const MAX_OUTPUT: usize = 4096;
/// SIGKILL, which ends a check that takes too long.
const KILL: u8 = 9;

/// Returns the arguments of a check's process; `None` if the check is disabled.
fn args(check: &HealthCheck) -> Option<Vec<String>> {
    match check.test.split_first()? {
        (kind, rest) if kind == "CMD" => Some(rest.to_vec()).filter(|args| !args.is_empty()),
        (kind, rest) if kind == "CMD-SHELL" => {
            let line = rest.first()?;
            Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()])
        }
        _ => None,
    }
}

fn or(nanoseconds: i64, default: Duration) -> Duration {
    match u64::try_from(nanoseconds) {
        Ok(nanoseconds @ 1..) => Duration::from_nanos(nanoseconds),
        _ => default,
    }
}

/// Returns how long to wait until the next check. In the start period a separate interval applies
/// until the first check succeeds.
fn pause(check: &HealthCheck, status: HealthStatus, since_start: Duration) -> Duration {
    let starts = since_start < or(check.start_period_ns, Duration::ZERO);
    let asked = if starts && status == HealthStatus::Starting {
        or(check.start_interval_ns, START_INTERVAL)
    } else {
        or(check.interval_ns, INTERVAL)
    };
    asked.max(LEAST_INTERVAL)
}

/// Runs a container's health check again and again, until the future is dropped. Never returns if
/// the container has no health check; returns at once if the check cannot be run.
pub(super) async fn keep(runtime: Runtime, id: ContainerId, handle: Arc<Handle>) {
    let Ok(snapshot) = runtime.require(id).await else {
        return;
    };
    let check = snapshot.workload.health.clone();
    let Some((check, args)) = check.and_then(|check| args(&check).map(|args| (check, args))) else {
        return std::future::pending().await;
    };
    let Ok(process) = launch::process(&snapshot) else {
        return;
    };
    let process = Process {
        args,
        terminal: None,
        input: false,
        ..process
    };
    let retries = if check.retries > 0 {
        check.retries
    } else {
        RETRIES
    };
    let began = Instant::now();
    handle.set_health(Some(Health::default()));
    loop {
        let status = handle.health().unwrap_or_default().status;
        sleep(pause(&check, status, began.elapsed())).await;
        let start_ns = now_ns();
        let limit = or(check.timeout_ns, TIMEOUT);
        let (code, output) = one(&runtime, &snapshot, process.clone(), limit).await;
        let result = HealthResult {
            start_ns,
            end_ns: now_ns(),
            code,
            output,
        };
        let starting = began.elapsed() < or(check.start_period_ns, Duration::ZERO);
        let mut health = handle.health().unwrap_or_default();
        let changed = health.observe(result, retries, starting);
        let status = health.status;
        handle.set_health(Some(health));
        if changed {
            let command = Command::SetHealth {
                container: id.into(),
                unhealthy: status == HealthStatus::Unhealthy,
            };
            if let Err(error) = runtime.0.requests.carry_out(command).await {
                tracing::warn!(container = %id, %error, "health status not stored");
            }
            runtime.tell_of(&snapshot, ContainerAction::HealthChanged(status));
        }
    }
}

/// Runs one check and returns its exit code and its output. The code is -1 if the check could not
/// be run or took too long.
async fn one(
    runtime: &Runtime,
    snapshot: &ContainerSnapshot,
    process: Process,
    limit: Duration,
) -> (i64, String) {
    let Ok(client) = runtime.client(snapshot) else {
        return (-1, String::new());
    };
    let mut running = match client.exec(process).await {
        Ok(running) => running,
        Err(ClientError::Refused { reason, .. }) => return (-1, reason),
        Err(error) => return (-1, error.to_string()),
    };
    let mut output = Vec::new();
    let ended = timeout(limit, async {
        loop {
            match running.streams.reader.next().await {
                Ok(StreamItem::Output(Output::Stdout | Output::Stderr, bytes)) => {
                    let room = MAX_OUTPUT.saturating_sub(output.len());
                    output.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                Ok(StreamItem::Ended(exit)) => return exit.map_or(-1, |exit| i64::from(exit.code)),
                Err(_) => return -1,
            }
        }
    });
    let ended = ended.await;
    let text = String::from_utf8_lossy(&output).into_owned();
    match ended {
        Ok(code) => (code, text),
        Err(_) => {
            // Killing fails only if the process has just ended.
            let _ = client.signal(running.id, KILL).await;
            let text = format!("Health check exceeded timeout ({limit:?})");
            (-1, text)
        }
    }
}

#[cfg(test)]
mod tests;
