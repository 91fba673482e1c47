//! The names in a shim's directory of sockets, which the shim makes and removes.

/// Where the shim listens for the coordinator.
pub const SHIM: &str = "shim.sock";
/// Where QEMU listens for the coordinator, which speaks there to the guest's agent.
pub const TETHER: &str = "tether.sock";
/// The shim's process number, in decimal digits: for a person, and for the liveness of a shim of release 0.1.0.
pub const PID: &str = "shim.pid";
