//! Runs containers' VMs: starts and stops them, and changes them while they run.
//!
//! Another program can run the VMs instead (`[runtime] hook`): it opens the taps that `container start`
//! names, and [`hook`] asks it to plug and unplug the NICs of running VMs. If the VCH runs the VMs itself:
//!
//! ```text
//!   api::docker ──► Runtime (containers: make, get, wait)  ──► ledger rows: container, workload, life
//!                        │ start, stop, kill, remove
//!                        ▼
//!                   one supervisor for each container, which drives its lifecycle
//!                        │
//!                        ▼
//!                   one shim for each VM, which outlives the coordinator ──► QEMU
//! ```

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
