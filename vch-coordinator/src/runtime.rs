//! How a container's VM is started and changed while it runs.
//!
//! Another program can do it (`[runtime] hook`): it opens the taps that `container start` names, and
//! what comes and goes while a VM runs it is asked for by [`hook`]. What a container is to run is a
//! [`workload`].

pub mod hook;
pub mod workload;

pub use hook::{Hook, HookError, Nic};
