//! The error of a process that can't be started.

use protocol::process::Fault;
use std::fmt::Display;
use thiserror::Error;

/// The reason for which a process can't be started, in Docker's words where Docker has some.
///
/// The reason is a text, not a source: it passes from the child to init by a socket, and from init to the shim.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct StartError {
    /// The kind of the reason.
    pub fault: Fault,
    /// The reason, for a person.
    pub reason: String,
}

impl StartError {
    /// Makes an error of a kind and a reason.
    pub fn new(fault: Fault, reason: String) -> Self {
        Self { fault, reason }
    }

    /// Makes an error of a reason that is no fault of the request: exit code 125 in Docker's terms.
    pub fn other(reason: String) -> Self {
        Self::new(Fault::Other, reason)
    }
}

/// Returns a function that converts errors of one step, whose name the reason contains.
pub fn failed<E: Display>(step: &str) -> impl FnOnce(E) -> StartError {
    move |error| StartError::other(format!("{step}: {error}"))
}
