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
mod error_chain;
mod log_budget;
pub mod logging;
mod parts;
mod port_probe;
mod private;
pub mod reconciler;
pub mod reload;
pub mod requests;
mod rlimit;
pub mod runtime;
#[cfg(test)]
mod sample;
pub mod serve;
pub mod store;
mod watchdog;
