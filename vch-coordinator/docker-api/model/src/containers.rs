//! Containers: requests, the data that only Docker's API shows again, and responses.
//!
//! ```text
//!   body ──► create ──► Runtime::create ──► one transaction
//!   ledger ──► list ──► view ──► inspect, summary ──► JSON
//! ```

pub mod body;
pub mod create;
pub mod created;
pub mod endpoint;
pub mod inspect;
pub mod list;
pub mod mount;
pub mod shown;
pub mod stats;
pub mod status;
pub mod summary;
pub mod top;
pub mod view;
pub mod written;

#[cfg(test)]
mod tests;
