//! The trait by which sessions store the reports of agents, and its errors.

use futures_util::future::BoxFuture;
use protocol::message::Report;
use thiserror::Error;
use vch_ledger::ContainerId;

/// Stores the last report of each container's agent, so that it is known after a restart of the coordinator.
/// `vch-engine` implements it by the thread that writes the ledger to disk; the sessions call it.
pub trait ReportStore: Send + Sync {
    /// Stores the report of a container's agent in place of its earlier one. The report is on disk when the future
    /// resolves; only then is it acknowledged to the agent.
    ///
    /// # Errors
    /// Returns [`ReportStoreError::Full`] if the disk is full, and [`ReportStoreError::Ended`] if the store is closed.
    fn record(
        &self,
        container: ContainerId,
        report: Report,
    ) -> BoxFuture<'_, Result<(), ReportStoreError>>;
}

/// Why the report of an agent could not be stored.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReportStoreError {
    /// The store is closed, since the coordinator stops.
    #[error("the store of reports has ended")]
    Ended,
    /// The disk is full; the report was not stored.
    #[error("no space left on the disk for a report")]
    Full,
}
