//! A whole coordinator: configuration, both APIs, containers' lives, and the wiring of the packages below.
//!
//! ```text
//!   vchctl ─► api ─► vch-engine: requests ─► vch-store: writer ─► ledger (decide) ─► database (commit)
//!                       │                       │
//!                       │                       └─ published in order ─► vch-engine: reconciler ─► data plane
//!                       └──── waits for data plane and agent ◄─────────────────────────────────────┘
//! ```
//!
//! Architecture invariant: only `api` knows HTTP, only `api::docker` knows Docker; only the data plane changes the
//! kernel.

pub mod api;
pub mod config;
pub mod logging;
pub mod metrics;
mod parts;
pub mod reload;
mod rlimit;
pub mod runtime;
pub mod serve;
mod watchdog;

pub use vch_engine as reconciler;
pub use vch_engine as requests;
use vch_log as error_chain;
use vch_log as log_budget;
pub use vch_network as effects;
pub use vch_store as store;
#[cfg(test)]
use vch_store::sample;
