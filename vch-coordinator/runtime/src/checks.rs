//! Health checks: a process in the container, run again and again, says how it is.

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

/// Docker's, where a check says nothing else.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: i64 = 3;
/// Docker's, between two checks while a container has its time to start.
const START_INTERVAL: Duration = Duration::from_secs(5);
/// Between two checks, whatever an image or a user asks for: each is a process in the VM, and may be a commit.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// Docker's: bytes of a result's output.
const MAX_OUTPUT: usize = 4096;
/// SIGKILL, for a check that takes too long.
const KILL: u8 = 9;

/// The words of a check; `None` where there is none.
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

/// Returns how long to wait until the next check: in the time to start at a pace of its own, until it succeeds first.
fn pause(check: &HealthCheck, status: HealthStatus, since_start: Duration) -> Duration {
    let starts = since_start < or(check.start_period_ns, Duration::ZERO);
    let asked = if starts && status == HealthStatus::Starting {
        or(check.start_interval_ns, START_INTERVAL)
    } else {
        or(check.interval_ns, INTERVAL)
    };
    asked.max(LEAST_INTERVAL)
}

/// Checks a container as long as it runs; ends when it is dropped. Never comes back without a check.
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
                tracing::warn!(container = %id, %error, "its health is not kept");
            }
            runtime.tell_of(&snapshot, ContainerAction::HealthChanged(status));
        }
    }
}

/// One check: its code and what it wrote.
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
            // It has just ended then.
            let _ = client.signal(running.id, KILL).await;
            let text = format!("Health check exceeded timeout ({limit:?})");
            (-1, text)
        }
    }
}

#[cfg(test)]
mod tests;
