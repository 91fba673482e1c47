//! The error of a process that can't be started.

use protocol::process::Fault;
use std::fmt::Display;
use thiserror::Error;

/// The reason for which a process can't be started, in Docker's words where Docker has a message
/// for it.
///
/// The reason is a text and not a source error: the child sends it to init over a socket, and init
/// sends it to the shim.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct StartError {
    /// The kind of the error, from which the exit code follows.
    pub fault: Fault,
    /// The reason in words, for a person.
    pub reason: String,
}

impl StartError {
    /// Returns an error of a kind, with its reason.
    pub fn new(fault: Fault, reason: String) -> Self {
        Self { fault, reason }
    }

    /// Returns an error of the kind [`Fault::Other`], for which Docker has the exit code 125.
    pub fn other(reason: String) -> Self {
        Self::new(Fault::Other, reason)
    }
}

/// Returns a function that converts the error of a step into a [`StartError`] of the kind
/// [`Fault::Other`]. `step` says what failed, such as "make a pipe".
pub fn failed<E: Display>(step: &str) -> impl FnOnce(E) -> StartError {
    move |error| StartError::other(format!("{step}: {error}"))
}
