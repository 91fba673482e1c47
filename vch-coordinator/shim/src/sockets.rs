//! The file names in the directory of sockets, which each shim makes and removes.

/// The Unix socket at which the shim listens for requests of the coordinator.
pub const SHIM: &str = "shim.sock";
/// The Unix socket at which QEMU listens. It leads the coordinator to the guest's network agent.
pub const TETHER: &str = "tether.sock";
/// The file with the shim's process ID in decimal digits: for a person, and to find out whether a shim of release 0.1.0
/// is alive.
pub const PID: &str = "shim.pid";
