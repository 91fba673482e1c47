//! How a container's VM is started and changed while it runs, as far as the network is concerned.
//!
//! Whoever starts the VMs of this VCH (another program, `[runtime] hook`) opens the taps that
//! `container start` names. What comes and goes while a VM runs it is asked for by [`hook`].

pub mod hook;

pub use hook::{Hook, HookError, Nic};
