//! A container VM as its shim has it: streams, processes, ends, and what of the VM a container can't reach.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod clones;
mod confinement;
mod failures;
mod hostile;
mod limits;
mod modules;
mod nics;
mod privileged;
mod processes;
mod streams;
mod world;
