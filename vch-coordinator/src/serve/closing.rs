//! The end of a coordinator.

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

/// For the orderly end of what is left when a part has failed.
const FAILED: Duration = Duration::from_secs(5);

/// What is closed when the coordinator ends.
pub(super) struct Closing {
    pub settled: oneshot::Receiver<Dataplane>,
    pub later: TaskTracker,
    pub parts: Parts,
    pub runtime: Runtime,
    pub segments: ActorThread,
    pub nat: ActorThread,
    pub ledger_handle: LedgerHandle,
    pub tether: Arc<Tether>,
    pub writer: WriterThread,
}

impl Closing {
    /// Closes everything; returns why the coordinator ended.
    pub async fn finish(self, served: Result<(), ServeError>) -> Result<(), ServeError> {
        let Err(error) = &served else {
            return Ok(self.close().await?);
        };
        tracing::error!(
            error = error_chain(error),
            "the coordinator ends; VMs go on"
        );
        // A part that has failed may be waited for by others for ever.
        match tokio::time::timeout(FAILED, self.close()).await {
            Ok(closed) => closed?,
            Err(_) => tracing::error!("not everything was closed in order"),
        }
        served
    }

    async fn close(self) -> Result<(), StoreError> {
        // Where it panicked there is nothing left to close.
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
