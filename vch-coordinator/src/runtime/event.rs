//! What happens to containers, as it happens.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::broadcast;
use vch_ledger::ContainerId;

/// Events that a slow listener may be behind by; beyond it, it is told that it missed some.
const BEHIND: usize = 1024;

/// Something happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEvent {
    /// When, nanoseconds since 1970.
    pub at_ns: u128,
    /// What, in Docker's words: `create`, `start`, `die`, `stop`, `kill`, `oom`, `restart`, `rename`,
    /// `update`, `destroy`, `attach`, `detach`, `resize`, `exec_create: …`, `exec_start: …`,
    /// `exec_die`, `health_status: …`.
    pub action: String,
    /// To which.
    pub container: ContainerId,
    /// Its name.
    pub name: String,
    /// Its image, as the user named it.
    pub image: String,
    /// Its labels, and what belongs to the action: `exitCode`, `signal`, `oldName`, `execID`.
    pub attributes: BTreeMap<String, String>,
}

/// Where events are heard; cheap to clone.
#[derive(Clone, Debug)]
pub struct Events(broadcast::Sender<Arc<ContainerEvent>>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Events {
    /// From now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<ContainerEvent>> {
        self.0.subscribe()
    }

    /// Tells whoever listens.
    pub fn tell(&self, event: ContainerEvent) {
        // Most often nobody listens.
        let _ = self.0.send(Arc::new(event));
    }
}

/// The time, nanoseconds since 1970.
pub fn now_ns() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_nanos())
}

/// The time, milliseconds since 1970.
pub fn now_ms() -> u64 {
    u64::try_from(now_ns() / 1_000_000).unwrap_or(u64::MAX)
}
