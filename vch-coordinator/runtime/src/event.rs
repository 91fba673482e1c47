//! What happens to containers, as it happens.

use super::health::HealthStatus;
use protocol::process::TerminalSize;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
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
    /// What.
    pub action: ContainerAction,
    /// To which.
    pub container: ContainerId,
    /// Its name.
    pub name: String,
    /// Its image, as the user named it.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerAction {
    /// It was made.
    Created,
    /// Its process runs.
    Started,
    /// It has ended.
    Died {
        /// The exit code.
        code: u8,
        /// How long it ran.
        ran: Duration,
    },
    /// A user stopped it.
    Stopped,
    /// A signal was sent to its process.
    Signalled(u8),
    /// The guest's kernel killed it for want of memory.
    OutOfMemory,
    /// A user restarted it.
    Restarted,
    /// It has another name.
    Renamed {
        /// Its name before.
        from: String,
    },
    /// It has other limits, or another restart policy.
    Updated,
    /// It was removed.
    Removed,
    /// A client is attached to its streams.
    Attached,
    /// A client left its streams by its keys.
    Detached,
    /// Its terminal has another size.
    Resized(TerminalSize),
    /// Its processes were listed.
    Listed,
    /// Its health check says something else than before.
    HealthChanged(HealthStatus),
    /// Something happened to a process beside its own.
    Exec {
        /// The identity of that process.
        exec: String,
        /// What.
        action: ExecAction,
    },
}

/// What happened to a process beside a container's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecAction {
    /// It was made known: its arguments, the program first.
    Created(Vec<String>),
    /// It runs: its arguments, the program first.
    Started(Vec<String>),
    /// A client left its streams by its keys.
    Detached,
    /// It has ended, with an exit code.
    Died(i64),
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
