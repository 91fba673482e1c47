//! Stores the agents' reports by the thread that writes the ledger to disk.

use futures_util::{FutureExt, future::BoxFuture};
use protocol::message::Report;
use vch_ledger::ContainerId;
use vch_network::tether::{ReportStore, ReportStoreError};
use vch_store::{LedgerHandle, WriterError};

/// The implementation of [`ReportStore`](vch_network::tether::ReportStore) for the agents' reports: sends each report
/// by the [`LedgerHandle`] to the thread that writes the ledger to disk.
pub struct LedgerReports(pub LedgerHandle);

impl ReportStore for LedgerReports {
    fn record(
        &self,
        container: ContainerId,
        report: Report,
    ) -> BoxFuture<'_, Result<(), ReportStoreError>> {
        let kept = self.0.record(container, report);
        kept.map(|kept| {
            kept.map_err(|error| match error {
                WriterError::Ended => ReportStoreError::Ended,
                WriterError::Full => ReportStoreError::Full,
            })
        })
        .boxed()
    }
}
