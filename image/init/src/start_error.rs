//! Why a process of the container does not start.

use protocol::process::Fault;
use std::fmt::Display;
use thiserror::Error;

/// Why a process does not start, in Docker's words where Docker has some.
///
/// The reason is a text, not a source: it passes from the child to init by a socket, and from init to the shim.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct StartError {
    /// The part of the request that is at fault.
    pub fault: Fault,
    /// In words for a person.
    pub reason: String,
}

impl StartError {
    /// Names a fault and its reason.
    pub fn new(fault: Fault, reason: String) -> Self {
        Self { fault, reason }
    }

    /// Names a reason that is no fault of the request: exit code 125 in Docker's terms.
    pub fn other(reason: String) -> Self {
        Self::new(Fault::Other, reason)
    }
}

/// Returns a conversion of errors of one step, which the reason names.
pub fn failed<E: Display>(step: &str) -> impl FnOnce(E) -> StartError {
    move |error| StartError::other(format!("{step}: {error}"))
}
