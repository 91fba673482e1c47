//! The stages of a VM's run.

use crate::{log::Position, outcome::Outcome, phase::Phase};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// The progress of a VM's run, sent to its watchers at each change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The position of the log at which this run's output begins.
    pub log_from: Position,
    /// The phases of the start that have ended, in order.
    pub phases: Vec<Phase>,
    /// The time at which the process started, in milliseconds since 1970.
    pub started_ms: Option<u64>,
    /// The outcome, in the last stage of a run.
    pub ended: Option<Outcome>,
}

/// Returns the time in microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}

/// Returns the time in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    now_us() / 1000
}
