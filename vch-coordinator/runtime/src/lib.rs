//! Runs each container as a VM of this host, the VCH (Virtual Container Host): starts and stops the VM, and changes it
//! while it runs. [`Runtime`] is the entry point.
//!
//! A *snapshot* ([`ContainerSnapshot`]) is the stored state of one container at one moment. A container's *workload*
//! ([`workload::Workload`]) is the description of what its VM runs; its *run state* ([`workload::RunState`]) says
//! whether it runs, or how it ended. The ledger (the coordinator's store of decisions) keeps both as JSON documents.
//!
//! ```text
//!   docker-api ──► Runtime (create, get, wait, connect)  ──► ledger rows: container, workload, run state
//!                        │ start, stop, kill, remove
//!                        ▼
//!                   one supervisor for each container: a task that drives the container's lifecycle
//!                        │
//!                        ▼
//!                   one shim (vch-shim) for each VM: a process that outlives the coordinator ──► QEMU
//! ```
//!
//! Another program can run the VMs instead (`[runtime] hook` in vch.toml): it opens the taps that `vchctl container
//! start` names, and [`hook`] asks it to plug and unplug the NICs of running VMs.

mod adopt;
mod ask;
mod attach;
mod blocking;
mod capability;
mod cgroups;
mod checks;
mod containers;
mod control;
mod create;
mod dirs;
mod disks;
mod documents;
mod error;
pub mod event;
mod handle;
mod health;
pub mod hook;
mod images;
mod launch;
mod lifecycle;
mod links;
mod lost;
mod orphans;
mod plug;
mod restart;
mod runtime;
mod settings;
mod shim;
mod signal;
mod snapshot;
mod start_metrics;
mod supervisor;
mod tasks;
mod templates;
#[cfg(test)]
mod tests;
mod uids;
pub mod workload;

pub use attach::{Attached, Outputs};
pub use capability::number as capability_number;
pub use containers::{Until, Update};
pub use control::Stop;
pub use create::Create;
pub use dirs::Dirs;
pub use disks::Disks;
pub use documents::Documents;
pub use error::RuntimeError;
pub use health::{Health, HealthResult, HealthStatus};
pub use hook::{Hook, HookError};
pub use launch::{
    LaunchError, bytes as size_bytes, cgroup_limits, environment, limit as ulimit_number, process,
    set as set_variable,
};
pub use runtime::Runtime;
pub use settings::Vms;
pub use signal::signal_number;
pub use snapshot::{ContainerRows, ContainerSnapshot, Unreadable};
pub use tasks::Tasks;
