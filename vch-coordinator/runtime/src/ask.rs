//! What a supervisor is asked.

use super::{
    RuntimeError,
    lifecycle::{Answer, Request},
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The error that requests of one container share.
pub(crate) type Shared = Arc<RuntimeError>;
/// The answer to what a supervisor was asked.
pub(crate) type Answered = Answer<Shared>;
/// Where an answer is awaited.
pub(crate) type Reply = oneshot::Sender<Answered>;

/// What a supervisor is asked or told.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A request about the container's run.
    Request(Request, Reply),
    /// To store why a start was refused, in the words that users know.
    Explain(String, Reply),
    /// The coordinator has started: one that does not run may be started by its policy.
    CoordinatorStarted,
    /// Its row was removed by another request: there is nothing left to supervise.
    RowRemoved,
}

impl Ask {
    /// Returns where the answer is awaited, if it is.
    pub fn reply(self) -> Option<Reply> {
        match self {
            Self::Request(_, reply) | Self::Explain(_, reply) => Some(reply),
            Self::CoordinatorStarted | Self::RowRemoved => None,
        }
    }
}
