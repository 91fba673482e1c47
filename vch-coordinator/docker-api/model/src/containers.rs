//! Containers: what is asked for, what Docker alone shows again, and how one is shown.
//!
//! ```text
//!   body ──► create ──► Runtime::create ──► one transaction
//!   ledger ──► view ──► inspect, list ──► JSON
//! ```

pub mod body;
pub mod create;
pub mod inspect;
pub mod list;
pub mod shown;
pub mod stats;
pub mod status;
pub mod view;

#[cfg(test)]
mod tests;
