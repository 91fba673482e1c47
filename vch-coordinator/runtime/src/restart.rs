//! Decides whether and when a container is started again, without I/O.

use super::workload::{RestartPolicy, RestartWhen, RunState};
use std::time::Duration;

/// The pause before the first restart. Each further pause is twice as long.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause between two restarts.
const LONGEST: Duration = Duration::from_secs(60);
/// A container that ran this long counts as working, and the pauses start over.
const WELL: Duration = Duration::from_secs(10);

/// How many times in a row a container was restarted without running for at least 10 s. The next
/// pause depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries(u32);

/// Returns the pause until the restart policy starts a container again that ended by itself after
/// running for `ran`; `None` if the container stays ended. The pause begins with 100 ms and doubles
/// with each try, up to 60 s. `tries` is updated.
pub fn after_end(
    policy: &RestartPolicy,
    run_state: &RunState,
    ran: Duration,
    tries: &mut Tries,
) -> Option<Duration> {
    if run_state.stopped_by_user {
        return None;
    }
    let again = match policy.when {
        RestartWhen::No => false,
        RestartWhen::Always | RestartWhen::UnlessStopped => true,
        RestartWhen::OnFailure => {
            run_state.exit_code != 0 && (policy.most == 0 || run_state.restarts < policy.most)
        }
    };
    if !again {
        return None;
    }
    if ran >= WELL {
        *tries = Tries::default();
    }
    let pause = FIRST.saturating_mul(1 << tries.0.min(16)).min(LONGEST);
    tries.0 = tries.0.saturating_add(1);
    Some(pause)
}

/// Returns whether the restart policy starts a container that does not run when the coordinator
/// starts. `was_running` says that the container ran, or waited for a restart, when the host went
/// down.
pub fn at_start(policy: &RestartPolicy, run_state: &RunState, was_running: bool) -> bool {
    match policy.when {
        RestartWhen::No => false,
        RestartWhen::OnFailure => {
            was_running && (policy.most == 0 || run_state.restarts < policy.most)
        }
        RestartWhen::Always => was_running || run_state.started_ms > 0,
        RestartWhen::UnlessStopped => {
            was_running || (run_state.started_ms > 0 && !run_state.stopped_by_user)
        }
    }
}

#[cfg(test)]
mod tests;
