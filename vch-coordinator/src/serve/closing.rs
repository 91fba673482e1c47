//! The orderly end of a coordinator.

use super::ServeError;
use crate::parts::Parts;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use vch_engine::Dataplane;
use vch_log::error_chain;
use vch_network::{ActorThread, tether::Tether};
use vch_runtime::Runtime;
use vch_store::{LedgerHandle, StoreError, WriterThread};

/// How long an orderly end may take after a part has failed.
const FAILED: Duration = Duration::from_secs(5);

/// The parts of a coordinator that must be closed in order when it ends.
pub(super) struct Closing {
    /// Receives the data plane when the reconciler has ended.
    pub settled: oneshot::Receiver<Dataplane>,
    /// The tasks that do the remaining work of transactions.
    pub later: TaskTracker,
    /// The long-running tasks.
    pub parts: Parts,
    /// The runtime of the VMs, which continue to run.
    pub runtime: Runtime,
    /// The thread that owns the links.
    pub segments: ActorThread,
    /// The thread that owns the nftables tables.
    pub nat: ActorThread,
    /// The handle to the ledger, whose writer is told to end.
    pub ledger_handle: LedgerHandle,
    /// The sessions with the agents, dropped before the writer ends.
    pub tether: Arc<Tether>,
    /// The thread that writes the ledger to disk.
    pub writer: WriterThread,
}

impl Closing {
    /// Closes all parts in order. Returns why the coordinator ended: `served` is the result of running it.
    ///
    /// # Errors
    /// - The error in `served`, if it contains one.
    /// - [`ServeError::Store`] if the thread that writes the store has failed.
    pub async fn finish(self, served: Result<(), ServeError>) -> Result<(), ServeError> {
        let Err(error) = &served else {
            return Ok(self.close().await?);
        };
        tracing::error!(
            error = error_chain(error),
            "coordinator failed; VMs left running"
        );
        // After a failure, other parts may wait for the failed part forever.
        match tokio::time::timeout(FAILED, self.close()).await {
            Ok(closed) => closed?,
            Err(_) => tracing::error!("orderly shutdown timed out"),
        }
        served
    }

    async fn close(self) -> Result<(), StoreError> {
        // If the reconciler panicked, no data plane is left to close.
        let dataplane = self.settled.await;
        self.later.close();
        self.later.wait().await;
        if let Ok(dataplane) = dataplane {
            dataplane.close().await;
        }
        self.parts.close().await;
        self.runtime.close().await;
        self.segments.ended().await;
        self.nat.ended().await;
        // A client that still talks is told that the coordinator stops.
        self.ledger_handle.end().await;
        drop(self.tether);
        let joined = tokio::task::spawn_blocking(move || self.writer.join()).await;
        joined.unwrap_or(Err(StoreError::WriterPanicked))
    }
}
