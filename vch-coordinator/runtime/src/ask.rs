//! The messages that a supervisor receives.

use super::{
    RuntimeError,
    lifecycle::{Answer, Request},
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// An error that several requests of one container share.
pub(crate) type Shared = Arc<RuntimeError>;
/// The answer of a supervisor to a message.
pub(crate) type Answered = Answer<Shared>;
/// The channel on which a supervisor sends its answer.
pub(crate) type Reply = oneshot::Sender<Answered>;

/// A message to a container's supervisor, the task that controls the container's run.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A request about the container's run.
    Request(Request, Reply),
    /// Stores the reason for which a start was refused. Its text names things as the user of the
    /// API does.
    Explain(String, Reply),
    /// The coordinator has started. The restart policy may start a container that does not run.
    CoordinatorStarted,
    /// Another request has removed the container's row, so the supervisor ends.
    RowRemoved,
}

impl Ask {
    /// Returns the channel for the answer; `None` for a message without an answer.
    pub fn reply(self) -> Option<Reply> {
        match self {
            Self::Request(_, reply) | Self::Explain(_, reply) => Some(reply),
            Self::CoordinatorStarted | Self::RowRemoved => None,
        }
    }
}
