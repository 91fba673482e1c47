//! Whether, and when, a container is started again: pure.

use super::workload::{Life, RestartPolicy, RestartWhen};
use std::time::Duration;

/// Before the first try; each further one waits twice as long.
const FIRST: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(60);
/// A container that ran so long is taken to be well: the pauses begin anew.
const WELL: Duration = Duration::from_secs(10);

/// How many times it was started again without having run for long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries(u32);

/// After a container ended by itself, having run for `ran`: the pause until it is started again;
/// `None` where it is not.
pub fn after_end(
    policy: &RestartPolicy,
    life: &Life,
    ran: Duration,
    tries: &mut Tries,
) -> Option<Duration> {
    if life.stopped_by_user {
        return None;
    }
    let again = match policy.when {
        RestartWhen::No => false,
        RestartWhen::Always | RestartWhen::UnlessStopped => true,
        RestartWhen::OnFailure => {
            life.exit_code != 0 && (policy.most == 0 || life.restarts < policy.most)
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

/// When the VCH starts: whether a container that does not run is started. One that was running when
/// the VCH went down has ended without its own doing.
pub fn at_start(policy: &RestartPolicy, life: &Life, was_running: bool) -> bool {
    match policy.when {
        RestartWhen::No => false,
        RestartWhen::OnFailure => was_running && (policy.most == 0 || life.restarts < policy.most),
        RestartWhen::Always => was_running || life.started_ms > 0,
        RestartWhen::UnlessStopped => was_running || (life.started_ms > 0 && !life.stopped_by_user),
    }
}

#[cfg(test)]
mod tests;
