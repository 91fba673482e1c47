//! The trait by which sessions keep their agents' reports, and its errors.

use futures_util::future::BoxFuture;
use protocol::message::Report;
use thiserror::Error;
use vch_ledger::ContainerId;

/// Keeps the last report of each container.
pub trait ReportStore: Send + Sync {
    /// Keeps a container's report; it is durable when this returns.
    ///
    /// # Errors
    /// Returns [`ReportStoreError`] if the report is not durable.
    fn record(
        &self,
        container: ContainerId,
        report: Report,
    ) -> BoxFuture<'_, Result<(), ReportStoreError>>;
}

/// Why a report is not durable.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReportStoreError {
    /// The store is closed.
    #[error("the store of reports has ended")]
    Ended,
    /// The disk is full.
    #[error("no space left on the disk for a report")]
    Full,
}
