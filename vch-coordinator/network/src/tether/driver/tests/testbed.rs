//! A store's writer and its sessions, without the rest of the data plane.

use super::super::super::{Channels, SessionState, Tether};
use super::SOON;
use crate::tether::{ReportStore, ReportStoreError};
use futures_util::{FutureExt, future::BoxFuture};
use protocol::{message::Report, session::DEFAULT_HEARTBEAT, spec::SpecId};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};
use tempfile::TempDir;
use tokio::sync::watch;
use vch_ledger::{Command, ContainerId, Settings, desired::Delta};
use vch_metrics::Registry;
use vch_store::{
    Committed, HostChecks, LedgerHandle, Loaded, SpawnedWriter, Store, WriterError, sample,
};

/// Keeps reports in the store that the test reads.
struct LedgerReports(LedgerHandle);

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

pub struct Testbed {
    dir: TempDir,
    kept: SpawnedWriter,
    tether: Tether,
}

impl Testbed {
    pub fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, loaded) = Store::open(&dir.path().join("state")).unwrap();
        let settings = Settings::of(loaded.vch);
        let kept = LedgerHandle::spawn(store, loaded, settings, HostChecks::alone()).unwrap();
        let channels = Channels::new(dir.path().join("tether"), false).unwrap();
        let reports = Arc::new(LedgerReports(kept.ledger_handle.clone()));
        let tether = Tether::new(channels, reports, DEFAULT_HEARTBEAT);
        Self { dir, kept, tether }
    }

    pub async fn add(&mut self, name: &str) -> ContainerId {
        let committed = self.decide(sample::add(name)).await;
        *committed.delta.containers.keys().next().unwrap()
    }

    /// Starts a container; returns the spec of its new incarnation.
    pub async fn start(&mut self, name: &str) -> Option<SpecId> {
        let committed = self.decide(Command::StartContainer(name.into())).await;
        let target = committed.delta.containers.values().flatten().next()?;
        Some(target.spec.as_ref()?.id())
    }

    pub async fn remove(&mut self, name: &str) {
        let container = name.into();
        let force = false;
        self.decide(Command::RemoveContainer { container, force })
            .await;
    }

    async fn decide(&mut self, command: Command) -> Arc<Committed> {
        let (decision, _) = self.kept.ledger_handle.decide(command).await.unwrap();
        let committed = decision.unwrap();
        self.kept.published.recv().await.unwrap();
        self.follow(&committed.delta);
        committed
    }

    fn follow(&self, delta: &Delta) {
        self.tether
            .follow(delta, Instant::now(), &mut BTreeMap::new())
            .unwrap();
    }

    pub fn socket(&self, container: ContainerId) -> PathBuf {
        self.tether.unix_path(container, None)
    }

    pub fn live(&self) -> usize {
        self.tether.live()
    }

    /// Returns what is counted of the sessions.
    pub fn registry(&self) -> Registry {
        let registry = Registry::default();
        self.tether.register_metrics(&registry).unwrap();
        registry
    }

    pub fn state(&self, container: ContainerId) -> Option<SessionState> {
        let state = self.tether.state(container)?;
        let state = state.borrow().clone();
        Some(state)
    }

    /// Returns a watch of a container's session state.
    pub fn watch(&self, container: ContainerId) -> watch::Receiver<SessionState> {
        self.tether.state(container).unwrap()
    }

    /// Waits until `enough` accepts a container's session state; returns it.
    pub async fn known(
        &self,
        container: ContainerId,
        enough: impl FnMut(&SessionState) -> bool,
    ) -> SessionState {
        let mut state = self.tether.state(container).unwrap();
        let known = tokio::time::timeout(SOON, state.wait_for(enough)).await;
        known.unwrap().unwrap().clone()
    }

    /// Ends the sessions; the directory stays until the testbed is dropped.
    pub async fn close(&self) {
        self.tether.close().await;
    }

    /// Returns the content of the store as the next coordinator reads it.
    pub async fn reopened(self) -> Loaded {
        self.tether.close().await;
        let SpawnedWriter {
            ledger_handle,
            thread,
            ..
        } = self.kept;
        drop((ledger_handle, self.tether));
        thread.join().unwrap();
        Store::open(&self.dir.path().join("state")).unwrap().1
    }
}
