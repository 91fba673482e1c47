//! How a container's VM is started and changed while it runs.
//!
//! Another program can do it (`[runtime] hook`): it opens the taps that `container start` names, and
//! what comes and goes while a VM runs it is asked for by [`hook`]. Or the VCH does it itself:
//!
//! ```text
//!   api::docker ──► Runtime (containers: make, look, wait) ──► ledger rows: container, workload, life
//!                        │ start, stop, remove: one after the other for each container
//!                        ▼
//!                   one shim for each VM, which outlives the coordinator ──► QEMU
//! ```

mod containers;
mod error;
pub mod event;
pub mod hook;
mod looked;
mod machine;
mod nic;
mod restart;
mod settings;
pub mod workload;

pub use containers::{Create, Folders, Runtime, Until, Update};
pub use error::RuntimeError;
pub use hook::{Hook, HookError};
pub use looked::Looked;
pub use nic::{Nic, Nics};
pub use settings::Vms;
