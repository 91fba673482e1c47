//! What the writer is asked, and what it answers and publishes.

use super::{
    error::WriterError,
    page::{ChangesError, Page},
};
use protocol::message::Report;
use std::{error::Error, sync::Arc, time::Instant};
use tokio::sync::{mpsc, oneshot};
use vch_ledger::{Answer, Command, ContainerId, Ledger, Refusal, Revision, desired::Delta};

/// A transaction that is durable, with what it changes of the desired state.
#[derive(Debug)]
pub struct Committed {
    /// The number of the transaction.
    pub revision: Revision,
    /// The ledger's answer to the caller.
    pub answer: Answer,
    /// The difference that the transaction makes to the desired state.
    pub delta: Delta,
}

/// A command's outcome: committed and published, or refused with nothing changed.
pub type Decision = Result<Arc<Committed>, Refusal>;

/// A committed transaction, for the follower that makes the VCH's kernel agree with it.
pub struct Published {
    /// The transaction.
    pub committed: Arc<Committed>,
    /// When it was published.
    pub at: Instant,
    /// Receives the outcome once the transaction has been followed.
    pub settled: oneshot::Sender<Result<(), FollowError>>,
}

/// The answer to a caller's command.
pub(super) type Decided = Result<(Decision, Option<Settled>), WriterError>;

/// What the writer is asked.
pub(super) enum Job {
    Decide(Command, oneshot::Sender<Decided>),
    Report(
        ContainerId,
        Report,
        oneshot::Sender<Result<(), WriterError>>,
    ),
    Read(Box<dyn FnOnce(&Ledger) + Send>),
    Follow(FollowJob),
    End,
}

/// A request for the transactions behind a revision.
pub(super) struct FollowJob {
    pub after: Revision,
    pub answer: oneshot::Sender<Result<Page, ChangesError>>,
}

/// A handle to the writer's queue that does not keep the writer alive.
pub(super) struct Jobs(pub mpsc::WeakSender<Job>);

impl Jobs {
    /// Sends a follower's job to the writer's thread.
    ///
    /// # Errors
    /// Returns [`WriterError::Ended`] if the writer has ended.
    pub async fn send(&self, job: FollowJob) -> Result<(), WriterError> {
        let jobs = self.0.upgrade().ok_or(WriterError::Ended)?;
        jobs.send(Job::Follow(job))
            .await
            .map_err(|_| WriterError::Ended)
    }
}

/// Why a transaction is not in force yet: the error of the follower that could not apply it.
pub type FollowError = Box<dyn Error + Send + Sync>;

/// Resolves with the outcome once a transaction has been followed.
pub type Settled = oneshot::Receiver<Result<(), FollowError>>;
