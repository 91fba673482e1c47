//! How far a VM's life has come.

use crate::{log::Position, outcome::Outcome};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// How far a VM's life has come, as whoever watches it is told at each change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Where what this life wrote begins in the log.
    pub log_from: Position,
    /// What came when, in order.
    pub phases: Vec<Phase>,
    /// When the process started, milliseconds since 1970.
    pub started_ms: Option<u64>,
    /// How it ended; nothing comes after that.
    pub ended: Option<Outcome>,
}

/// A phase of the start that is at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `launched`, `qemu`, `init`, `devices`, `mounted`, `agent`, `network`, `process`.
    pub name: String,
    /// When, by the VCH's clock: microseconds since 1970.
    pub at_us: u64,
    /// When, by the guest's clock: microseconds since it booted.
    pub uptime_us: Option<u64>,
}

/// The time, microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}

/// The time, milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    now_us() / 1000
}
