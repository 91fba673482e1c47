//! Events of containers, such as "started" and "died", and the channel on which subscribers
//! (`docker events`) receive them.

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

/// One event of a container, with the container's name, image and labels at that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEvent {
    /// The time of the event, in nanoseconds since 1970 (UTC).
    pub at_ns: u128,
    /// What happened.
    pub action: ContainerAction,
    /// The ID of the container that the event is about.
    pub container: ContainerId,
    /// The container's name.
    pub name: String,
    /// The container's image, as the user named it at `docker create`.
    pub image: String,
    /// The container's labels.
    pub labels: BTreeMap<String, String>,
}

/// What happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerAction {
    /// The container was created.
    Created,
    /// The container was started: its process runs.
    Started,
    /// The container's process has ended.
    Died {
        /// The exit code of the process.
        code: u8,
        /// How long the process ran.
        ran: Duration,
    },
    /// A request of a user (`docker stop` or `restart`) stopped the container; its process has ended.
    Stopped,
    /// The signal with this number (signal(7)) was sent to the container's process.
    Signalled(u8),
    /// The guest's kernel killed the container's process because the container ran out of memory.
    OutOfMemory,
    /// A request of a user restarted the container. Restarts by the restart policy are only
    /// [`Died`](Self::Died) and [`Started`](Self::Started).
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
    /// A client attached to the streams of the container's main process (`docker attach`).
    Attached,
    /// A client detached from the container's streams by typing its detach keys (`docker attach --detach-keys`).
    /// Disconnecting is no such event.
    Detached,
    /// The container's terminal was resized to this size.
    Resized(TerminalSize),
    /// A client listed the container's processes (`docker top`).
    Listed,
    /// The status of the container's health check changed to this one.
    HealthChanged(HealthStatus),
    /// Something happened to an exec, a further process in the container (`docker exec`).
    Exec {
        /// The ID of the exec, by which the Docker API names it.
        exec: String,
        /// What happened to the exec.
        action: ExecAction,
    },
}

/// What happened to an exec, a further process in a container (`docker exec`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecAction {
    /// The exec was created, with these arguments (the program first).
    Created(Vec<String>),
    /// The exec's process runs, with these arguments (the program first).
    Started(Vec<String>),
    /// A client detached from the exec's streams by typing its detach keys (`docker exec --detach-keys`). Disconnecting
    /// is no such event.
    Detached,
    /// The exec's process has ended, with this exit code.
    Died(i64),
}

/// The channel on which the runtime sends the events of all containers: every subscriber receives every event. Cheap to
/// clone; clones share the channel.
#[derive(Clone, Debug)]
pub struct Events(broadcast::Sender<Arc<ContainerEvent>>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Events {
    /// Returns a receiver of all events from now on. A receiver that lags by more than 1,024 events
    /// loses the oldest ones, and gets `RecvError::Lagged` instead.
    pub fn listen(&self) -> broadcast::Receiver<Arc<ContainerEvent>> {
        self.0.subscribe()
    }

    /// Sends an event to all subscribers, without waiting for them. Does nothing if there are none.
    pub fn tell(&self, event: ContainerEvent) {
        // Sending fails if there are no subscribers, which is the usual case.
        let _ = self.0.send(Arc::new(event));
    }
}

/// Returns the present time in nanoseconds since 1970 (UTC); 0 if the clock is before that.
pub fn now_ns() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_nanos())
}

/// Returns the present time in milliseconds since 1970 (UTC); 0 if the clock is before that.
pub fn now_ms() -> u64 {
    u64::try_from(now_ns() / 1_000_000).unwrap_or(u64::MAX)
}
