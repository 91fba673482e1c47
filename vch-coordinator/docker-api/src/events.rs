//! Events of the VCH, as `docker events` shows them: what happened to containers, images and networks.
//!
//! ```text
//!   ledger's changes ──► follow (networks: create, connect, …) ──┐
//!   Runtime::events ───► follow (containers: start, die, …) ─────┼─► Events ─┬─► the last 256
//!   images ──────────────────────────────────────────────────────┘           └─► subscribers
//! ```

mod container;
mod filter;
mod follow;
mod route;

pub(super) use follow::follow;
pub(super) use route::routes;

use docker_model::time;
use parking_lot::{Mutex, MutexGuard};
use serde::{Serialize, Serializer};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::sync::broadcast;

/// How many past events are kept for clients that ask for them, as in dockerd.
const KEPT: usize = 256;
/// How many events a slow subscriber may lag behind. A subscriber that lags more loses events, as
/// in dockerd.
const BEHIND: usize = 1_024;

/// The kind of object that an event of `docker events` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
}

impl EventKind {
    /// Returns the kind as Docker's JSON has it, such as `container`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
        }
    }
}

/// An event of `docker events`, such as the start of a container. It serializes as dockerd's JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerEvent {
    /// The kind of object that the event is about.
    pub kind: EventKind,
    /// What happened, in Docker's words, such as `start` or `die`.
    pub action: String,
    /// The object: the full ID of a container or network, or the name or ID of an image.
    pub id: String,
    /// Further data by name, such as the object's `name`, a container's `image` and its labels.
    pub attributes: BTreeMap<String, String>,
    /// When the event happened, as the time since 1970-01-01 00:00 UTC.
    pub at: Duration,
}

/// An event as dockerd serializes it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(rename = "Type")]
    kind: EventKind,
    #[serde(rename = "Action")]
    action: &'a str,
    #[serde(rename = "Actor")]
    actor: Actor<'a>,
    scope: &'static str,
    time: u64,
    #[serde(rename = "timeNano")]
    time_nano: u64,
}

#[derive(Serialize)]
struct Actor<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "Attributes")]
    attributes: &'a BTreeMap<String, String>,
}

impl Serialize for DockerEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // dockerd still writes the fields from before API 1.22 for these two kinds.
        let old = matches!(self.kind, EventKind::Container | EventKind::Image);
        let image = self.attributes.get("image");
        let image = image.filter(|_| self.kind == EventKind::Container);
        let line = Line {
            status: old.then_some(&self.action),
            id: old.then_some(&self.id),
            from: image.map(String::as_str),
            kind: self.kind,
            action: &self.action,
            actor: Actor {
                id: &self.id,
                attributes: &self.attributes,
            },
            scope: "local",
            time: self.at.as_secs(),
            time_nano: u64::try_from(self.at.as_nanos()).unwrap_or(u64::MAX),
        };
        line.serialize(serializer)
    }
}

/// The last 256 events of the VCH, and the channel on which subscribers (clients that run `docker events`) receive new
/// ones. The events are kept in memory only. Clones share the events and the channel.
#[derive(Clone, Debug)]
pub struct Events(Arc<Hub>);

#[derive(Debug)]
struct Hub {
    past: Mutex<VecDeque<Arc<DockerEvent>>>,
    sender: broadcast::Sender<Arc<DockerEvent>>,
}

impl Default for Events {
    fn default() -> Self {
        Self(Arc::new(Hub {
            past: Mutex::default(),
            sender: broadcast::Sender::new(BEHIND),
        }))
    }
}

impl Events {
    /// Stores an event, and sends it to all present subscribers. If 256 events are stored already, the oldest is
    /// dropped. Does not wait for subscribers.
    pub fn tell(&self, event: DockerEvent) {
        let event = Arc::new(event);
        let mut past = self.past();
        if past.len() == KEPT {
            past.pop_front();
        }
        past.push_back(Arc::clone(&event));
        // Sent while the lock is held, so that a new subscriber gets each event exactly once.
        // Usually there are no subscribers.
        let _ = self.0.sender.send(event);
    }

    /// Sends an event whose time is the present, like [`Events::tell`].
    pub fn tell_now(
        &self,
        kind: EventKind,
        action: &str,
        id: &str,
        attributes: BTreeMap<String, String>,
    ) {
        self.tell(DockerEvent {
            kind,
            action: action.to_owned(),
            id: id.to_owned(),
            attributes,
            at: time::now(),
        });
    }

    /// Subscribes to events. Returns the stored past events, the oldest first, and a receiver of all later ones; no
    /// event is missing between them or in both. A receiver that lags more than 1,024 events behind loses the
    /// oldest of them.
    pub fn listen(&self) -> (Vec<Arc<DockerEvent>>, broadcast::Receiver<Arc<DockerEvent>>) {
        let past = self.past();
        let receiver = self.0.sender.subscribe();
        (past.iter().cloned().collect(), receiver)
    }

    fn past(&self) -> MutexGuard<'_, VecDeque<Arc<DockerEvent>>> {
        // No code panics while it holds the lock, and the data would stay consistent in any case.
        self.0.past.lock()
    }
}

#[cfg(test)]
mod tests;
