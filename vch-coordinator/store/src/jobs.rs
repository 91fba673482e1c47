//! The requests to the ledger's writer, its answers, and the transactions that it publishes.

use super::{
    error::WriterError,
    page::{ChangesError, Page},
};
use protocol::message::Report;
use std::{error::Error, sync::Arc, time::Instant};
use tokio::sync::{mpsc, oneshot};
use vch_ledger::{Answer, Command, ContainerId, Ledger, Refusal, Revision, desired::Delta};

/// A transaction of the ledger (a change of networks, containers, endpoints or published ports)
/// that is durable on disk.
#[derive(Debug)]
pub struct Committed {
    /// The number of the transaction.
    pub revision: Revision,
    /// The ledger's answer to the command that made the transaction.
    pub answer: Answer,
    /// What the transaction changes in the desired state of the VCH's kernel and VMs.
    pub delta: Delta,
}

/// The ledger's decision about a command: a committed transaction, or a refusal, which has changed
/// nothing.
pub type Decision = Result<Arc<Committed>, Refusal>;

/// A committed transaction of the ledger on its way to the reconciler: the task that makes the
/// VCH's kernel and VMs agree with the ledger.
pub struct Published {
    /// The transaction.
    pub committed: Arc<Committed>,
    /// The time at which it was published.
    pub at: Instant,
    /// Sends the outcome to the command's caller once the reconciler has applied the transaction, or has failed to. The
    /// caller may have dropped its receiver.
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
    /// The revision behind which the page begins.
    pub after: Revision,
    /// Sends the page to the stream that requested it.
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

/// The reason why the reconciler (the task that makes the VCH's kernel agree with the ledger) could
/// not apply a transaction. The transaction is committed, but not yet in force.
pub type FollowError = Box<dyn Error + Send + Sync>;

/// Receives the outcome once the reconciler has made the VCH's kernel agree with a transaction, or has failed to.
/// Closed without an outcome if the reconciler ends before.
pub type Settled = oneshot::Receiver<Result<(), FollowError>>;
