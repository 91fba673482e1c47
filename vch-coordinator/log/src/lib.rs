//! What is common to the lines of the coordinator's log: an error is one line with all of its causes, and lines that
//! clients or guests cause are bounded.
//!
//! Architecture invariant: this package formats and counts; it does not know what is logged, and where to.

mod error_chain;
mod log_budget;

pub use error_chain::error_chain;
pub use log_budget::LogBudget;
