//! The phases of a start.

use serde::{Deserialize, Serialize};

/// A phase of the start that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The name: `launched`, `qemu`, `init`, `devices`, `mounted`, `agent`, `network` or `process`.
    pub name: String,
    /// The time of its end by the VCH's clock, in microseconds since 1970.
    pub at_us: u64,
    /// The time of its end by the guest's clock, in microseconds since its boot.
    pub uptime_us: Option<u64>,
}
