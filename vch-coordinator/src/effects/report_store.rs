//! Agents' reports are kept in the ledger's store.

use crate::store::{LedgerHandle, WriterError};
use futures_util::{FutureExt, future::BoxFuture};
use protocol::message::Report;
use vch_ledger::ContainerId;
use vch_network::tether::{ReportStore, ReportStoreError};

/// Keeps agents' reports by the ledger's writer.
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
