//! The file names in a shim's directory of sockets, which the shim makes and removes.

/// The socket at which the shim listens for the coordinator.
pub const SHIM: &str = "shim.sock";
/// The socket at which QEMU listens for the coordinator, which talks to the guest's agent there.
pub const TETHER: &str = "tether.sock";
/// The file that holds the shim's process ID in decimal digits: for a person, and for the liveness of a shim of
/// release 0.1.0.
pub const PID: &str = "shim.pid";
