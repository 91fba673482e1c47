//! How a container's VM is started and changed while it runs.
//!
//! Another program can do it (`[runtime] hook`): it opens the taps that `container start` names, and
//! what comes and goes while a VM runs it is asked for by [`hook`]. Or the VCH does it itself:
//!
//! ```text
//!   api::docker ──► Runtime (containers: make, get, wait)  ──► ledger rows: container, workload, life
//!                        │ start, stop, remove: one after the other for each container
//!                        ▼
//!                   one shim for each VM, which outlives the coordinator ──► QEMU
//! ```

mod attach;
mod capability;
mod cgroups;
mod containers;
mod create;
mod disks;
mod error;
pub mod event;
mod health;
pub mod hook;
mod images;
mod launch;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the supervisors that drive it follow")
)]
mod lifecycle;
mod links;
mod lives;
mod lost;
mod machine;
mod restart;
mod settings;
mod shim;
mod snapshot;
mod tasks;
mod templates;
mod uids;
pub mod workload;

pub use attach::{Attached, Outputs};
pub use capability::number as capability_number;
pub use containers::{Dirs, Runtime, Until, Update};
pub use create::Create;
pub use disks::Disks;
pub use error::RuntimeError;
pub use health::{Health, HealthResult, HealthStatus};
pub use hook::{Hook, HookError};
pub use launch::{
    bytes as size_bytes, cgroup_limits, environment, limit as ulimit_number, process,
    set as set_variable,
};
pub use lives::{Stop, signal_number};
pub use settings::Vms;
pub use snapshot::{ContainerSnapshot, Unreadable};
