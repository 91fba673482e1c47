//! Containers in Docker's API: the requests, the settings that are only shown again, and the responses.
//!
//! ```text
//!   body ──► create ──► Runtime::create ──► one transaction of the ledger
//!   ledger ──► view ──► inspect ──► JSON of one container
//!              views ──► list ──► summary ──► JSON of a list
//! ```

pub mod body;
pub mod create;
pub mod created;
pub mod document;
pub mod endpoint;
pub mod inspect;
pub mod list;
pub mod mount;
pub mod stats;
pub mod status;
pub mod summary;
pub mod top;
pub mod view;
pub mod written;

#[cfg(test)]
mod tests;
