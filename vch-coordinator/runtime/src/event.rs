//! Events of containers, as subscribers receive them.

use super::health::HealthStatus;
use protocol::process::TerminalSize;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::broadcast;
use vch_ledger::ContainerId;

/// How many events a slow subscriber may lag behind. A subscriber that lags more loses events, and
/// learns that it did.
const BEHIND: usize = 1024;

/// An event of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEvent {
    /// The time, in nanoseconds since 1970.
    pub at_ns: u128,
    /// The action that happened.
    pub action: ContainerAction,
    /// The container's ID.
    pub container: ContainerId,
    /// The container's name.
    pub name: String,
    /// The container's image, as the user named it.
    pub image: String,
    /// The container's labels.
    pub labels: BTreeMap<String, String>,
}

/// An action that happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerAction {
    /// The container was created.
    Created,
    /// The container's process runs.
    Started,
    /// The container's process has ended.
    Died {
        /// The exit code.
        code: u8,
        /// How long the container ran.
        ran: Duration,
    },
    /// A user stopped the container.
    Stopped,
    /// A signal was sent to the container's process.
    Signalled(u8),
    /// The guest's kernel killed the container because it ran out of memory.
    OutOfMemory,
    /// A user restarted the container.
    Restarted,
    /// The container was renamed.
    Renamed {
        /// The previous name.
        from: String,
    },
    /// The container's limits or its restart policy were changed.
    Updated,
    /// The container was removed.
    Removed,
    /// A client attached to the container's streams.
    Attached,
    /// A client detached from the container's streams by its detach keys.
    Detached,
    /// The container's terminal was resized.
    Resized(TerminalSize),
    /// The container's processes were listed.
    Listed,
    /// The container's health status changed.
    HealthChanged(HealthStatus),
    /// An action of an exec in the container.
    Exec {
        /// The ID of the exec.
        exec: String,
        /// The action.
        action: ExecAction,
    },
}

/// An action of an exec, a further process in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecAction {
    /// The exec was created, with these arguments (the program first).
    Created(Vec<String>),
    /// The exec's process runs, with these arguments (the program first).
    Started(Vec<String>),
    /// A client detached from the exec's streams by its detach keys.
    Detached,
    /// The exec's process has ended, with this exit code.
    Died(i64),
}

/// The channel on which events are sent and received. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events(broadcast::Sender<Arc<ContainerEvent>>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Events {
    /// Subscribes to the events from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<ContainerEvent>> {
        self.0.subscribe()
    }

    /// Sends an event to all subscribers.
    pub fn tell(&self, event: ContainerEvent) {
        // Sending fails if there are no subscribers, which is the usual case.
        let _ = self.0.send(Arc::new(event));
    }
}

/// Returns the time in nanoseconds since 1970.
pub fn now_ns() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_nanos())
}

/// Returns the time in milliseconds since 1970.
pub fn now_ms() -> u64 {
    u64::try_from(now_ns() / 1_000_000).unwrap_or(u64::MAX)
}
