//! Helps to write the coordinator's log: formats an error with all of its causes as one line, and limits the lines that
//! clients or guests can cause.
//!
//! Architecture invariant: this package only formats and counts. It does not know the content of the log, nor its
//! destination.

mod error_chain;
mod log_budget;

pub use error_chain::error_chain;
pub use log_budget::LogBudget;
