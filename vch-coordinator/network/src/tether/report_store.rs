//! The trait by which sessions store their agents' reports, and its errors.

use futures_util::future::BoxFuture;
use protocol::message::Report;
use thiserror::Error;
use vch_ledger::ContainerId;

/// Stores the last report of each container.
pub trait ReportStore: Send + Sync {
    /// Stores a container's report; it is durable when the future resolves.
    ///
    /// # Errors
    /// Returns [`ReportStoreError::Full`] if the disk is full, [`ReportStoreError::Ended`] if the
    /// store is closed.
    fn record(
        &self,
        container: ContainerId,
        report: Report,
    ) -> BoxFuture<'_, Result<(), ReportStoreError>>;
}

/// Why a report could not be stored.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReportStoreError {
    /// The store is closed.
    #[error("the store of reports has ended")]
    Ended,
    /// The disk is full.
    #[error("no space left on the disk for a report")]
    Full,
}
