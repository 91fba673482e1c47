//! The stages of a VM's run, from its start to its end.

use crate::{log::Position, outcome::Outcome, phase::Phase};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// How far a VM's run has come: the phases of its start, the start of its process, and its end. The shim sends it to
/// clients that watch, at each change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The position of the container's log at which the output of this run begins.
    pub log_from: Position,
    /// The phases of the start that have ended so far, in order.
    pub phases: Vec<Phase>,
    /// When the container's process started, in milliseconds since 1970 (UTC); `None` if it has not
    /// started yet.
    pub started_ms: Option<u64>,
    /// The outcome of the run; `None` until the run has ended.
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
