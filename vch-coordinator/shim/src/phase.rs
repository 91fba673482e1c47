//! The phases of a container's start, which show where its time goes.

use serde::{Deserialize, Serialize};

/// A phase of a container's start that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The phase's name. The shim's phases are `launched` (the shim runs), `qemu` (QEMU was
    /// started) and `init` (the guest's init has answered). The guest's are `init`, `devices`,
    /// `mounted` (the root file system), `agent` (the network agent may begin), `network` and
    /// `process` (the container's process runs).
    pub name: String,
    /// When the phase ended by the host's clock, in microseconds since 1970 (UTC).
    pub at_us: u64,
    /// When the phase ended by the guest's clock, in microseconds since its boot; `None` for a
    /// phase of the host.
    pub uptime_us: Option<u64>,
}
