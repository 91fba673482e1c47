//! The coordinator: its configuration, and the wiring of the other packages.
//!
//! ```text
//!   vchctl ─► control-api ─┐
//!                          ├─► vch-engine: requests ─► vch-store: writer ─► ledger (decide) ─► database (commit)
//!   docker ─► docker-api ──┘        │                      │
//!                                   │                      └─ published in order ─► vch-engine: reconciler ─► data plane
//!                                   └──── waits for data plane and agent ◄────────────────────────────────────┘
//! ```
//!
//! Architecture invariants: only `control-api` and `docker-api` know HTTP; only `docker-api` knows Docker;
//! only the data plane changes the kernel.

pub mod config;
pub mod logging;
pub mod metrics;
mod network_options;
mod parts;
pub mod reload;
mod rlimit;
pub mod serve;
mod watchdog;
