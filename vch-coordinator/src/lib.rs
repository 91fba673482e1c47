//! Owns everything about the network of a Virtual Container Host.
//!
//! ```text
//!   vchctl ─► api ─► requests ─► store::writer ─► ledger (decide) ─► database (commit)
//!                       │              │
//!                       │              └─ published in order ─► reconciler ─► effects
//!                       └──── waits for effects and agent ◄──────────────────┘
//! ```
//!
//! Invariants: nothing is answered or followed before it is durable; only `effects` change the
//! kernel; only `api` knows HTTP; only `effects::tether` speaks to agents; no effect derives truth
//! from the kernel or from a VM.

pub mod api;
pub mod config;
pub mod effects;
pub mod logging;
mod parts;
pub mod reconciler;
pub mod reload;
pub mod requests;
mod rlimit;
pub mod runtime;
pub mod serve;
mod watchdog;

use vch_log as error_chain;
use vch_log as log_budget;
pub use vch_store as store;
use vch_store::private;
#[cfg(test)]
use vch_store::sample;
