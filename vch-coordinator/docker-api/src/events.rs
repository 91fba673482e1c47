//! What happens on the VCH, as `docker events` tells it.
//!
//! ```text
//!   ledger's changes ──► follow (networks: create, connect, …) ──┐
//!   Runtime::events ───► follow (containers: start, die, …) ─────┼─► Events ─┬─► the last 256
//!   images ──────────────────────────────────────────────────────┘           └─► whoever listens
//! ```

mod container;
mod filter;
mod follow;
mod route;

pub(super) use follow::follow;
pub(super) use route::routes;

use docker_model::time;
use serde::{Serialize, Serializer};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::broadcast;

/// As many as dockerd keeps for those who ask for the past.
const KEPT: usize = 256;
/// Events that a slow listener may be behind by; those beyond it he misses, as by dockerd.
const BEHIND: usize = 1_024;

/// What something happened to.
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
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
        }
    }
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerEvent {
    /// To what sort of thing.
    pub kind: EventKind,
    /// What, in Docker's words.
    pub action: String,
    /// To which: a full id, or an image's name.
    pub id: String,
    /// What else is known; `name`, and a container's `image`, among it.
    pub attributes: BTreeMap<String, String>,
    /// When, since 1970.
    pub at: Duration,
}

/// An event as dockerd writes it.
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
        // The fields of before API 1.22, which dockerd still writes for these two.
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

/// Where events are told and heard; cheap to clone.
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
    /// Tells whoever listens, now or later.
    pub fn tell(&self, event: DockerEvent) {
        let event = Arc::new(event);
        let mut past = self.past();
        if past.len() == KEPT {
            past.pop_front();
        }
        past.push_back(Arc::clone(&event));
        // Within the lock, so that who listens has each event once. Most often nobody does.
        let _ = self.0.sender.send(event);
    }

    /// Tells it of now.
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

    /// What is kept of the past, and all from now on: without a gap, and none twice.
    pub fn listen(&self) -> (Vec<Arc<DockerEvent>>, broadcast::Receiver<Arc<DockerEvent>>) {
        let past = self.past();
        let receiver = self.0.sender.subscribe();
        (past.iter().cloned().collect(), receiver)
    }

    fn past(&self) -> MutexGuard<'_, VecDeque<Arc<DockerEvent>>> {
        // Nothing in between can panic and leave it half changed.
        self.0.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
