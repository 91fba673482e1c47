//! What others have of a container's supervisor: its requests go in, and what becomes of the container is seen.

use super::{
    ask::{Answered, Ask, Reply},
    event::now_ns,
    health::Health,
    lifecycle::{Policy, Request},
    workload::Life,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedRwLockReadGuard, RwLock, mpsc, oneshot, watch};
use vch_shim::Phase;

/// Requests that may wait for a supervisor; those beyond wait where they come from.
const WAITING: usize = 64;

/// A container's supervisor, as others know it.
#[derive(Debug)]
pub(super) struct Handle {
    asks: mpsc::Sender<Ask>,
    /// Held while the container's workload is read, changed and stored, so that no change is lost.
    pub edits: tokio::sync::Mutex<()>,
    seen: watch::Sender<Seen>,
    /// Held by those who read what it writes: it removes itself when they have all of it.
    readers: Arc<RwLock<()>>,
    state: Mutex<HandleState>,
}

#[derive(Debug)]
struct HandleState {
    policy: Policy,
    health: Option<Health>,
    /// What the coordinator did at the last start, before the shim's own phases.
    phases: Vec<Phase>,
}

/// What is seen of a container by those who wait for a change of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its run, as it is stored.
    pub life: Life,
    /// Its VM is being started: its NICs are the launch's, and no other process changes them.
    pub starting: bool,
    /// How often it has started since the coordinator did.
    pub starts: u64,
    /// How often it has ended since then.
    pub ends: u64,
    /// How often its start was refused since then, before there was a VM.
    pub refusals: u64,
    /// It is removed.
    pub gone: bool,
}

impl Handle {
    /// Creates a handle, and the end at which its supervisor hears requests.
    pub fn new(life: Life, policy: Policy) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, heard) = mpsc::channel(WAITING);
        let handle = Self {
            asks,
            edits: tokio::sync::Mutex::default(),
            seen: watch::Sender::new(Seen {
                life,
                ..Seen::default()
            }),
            readers: Arc::default(),
            state: Mutex::new(HandleState {
                policy,
                health: None,
                phases: Vec::new(),
            }),
        };
        (handle, heard)
    }

    /// Sends a request and returns its answer; `None` if the supervisor has ended.
    pub async fn request(&self, request: Request) -> Option<Answered> {
        self.ask(|reply| Ask::Request(request, reply)).await
    }

    /// Sends what an answer is awaited of, and returns the answer; `None` if the supervisor has ended.
    pub async fn ask(&self, ask: impl FnOnce(Reply) -> Ask) -> Option<Answered> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(ask(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Tells the supervisor something. Returns whether it is there.
    pub async fn tell(&self, ask: Ask) -> bool {
        self.asks.send(ask).await.is_ok()
    }

    /// Keeps the container from removing itself as long as what is returned is held.
    pub async fn read(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.readers).read_owned().await
    }

    /// Waits until nobody reads any more.
    pub async fn unread(&self) {
        drop(self.readers.write().await);
    }

    /// Returns what is seen of the container, now and from now on.
    pub fn watch(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// Shows its run.
    pub fn show(&self, life: Life) {
        self.seen.send_modify(|seen| seen.life = life);
    }

    /// Shows that it has ended, or that its start has failed: the time of its end is another one then, unless there was
    /// no VM that could end.
    pub fn show_end(&self, life: Life) {
        self.seen.send_modify(|seen| {
            if life.finished_ms == seen.life.finished_ms {
                seen.refusals += 1;
            } else {
                seen.ends += 1;
            }
            seen.life = life;
        });
    }

    /// Shows that it has started.
    pub fn show_start(&self, life: Life) {
        self.seen.send_modify(|seen| {
            seen.life = life;
            seen.starts += 1;
        });
    }

    /// Shows whether its VM is being started.
    pub fn show_starting(&self, starting: bool) {
        self.seen.send_if_modified(|seen| {
            let changed = seen.starting != starting;
            seen.starting = starting;
            changed
        });
    }

    /// Shows that it is removed.
    pub fn show_removal(&self) {
        self.seen.send_modify(|seen| seen.gone = true);
    }

    /// Waits until its VM is not being started. Its sender is part of `self`, and so never gone.
    pub async fn started(&self) {
        let _ = self.watch().wait_for(|seen| !seen.starting).await;
    }

    /// Returns what its configuration says of its run.
    pub fn policy(&self) -> Policy {
        self.state().policy.clone()
    }

    pub fn set_policy(&self, policy: Policy) {
        self.state().policy = policy;
    }

    /// Returns how it is, if it runs and has a health check.
    pub fn health(&self) -> Option<Health> {
        self.state().health.clone()
    }

    pub fn set_health(&self, health: Option<Health>) {
        self.state().health = health;
    }

    /// Notes that a start begins.
    pub fn begin_phases(&self) {
        self.state().phases.clear();
        self.phase("asked");
    }

    /// Notes that a phase of the start is at its end.
    pub fn phase(&self, name: &str) {
        let at_us = u64::try_from(now_ns() / 1000).unwrap_or(u64::MAX);
        self.state().phases.push(Phase {
            name: name.to_owned(),
            at_us,
            uptime_us: None,
        });
    }

    /// Returns what the coordinator did at the last start.
    pub fn phases(&self) -> Vec<Phase> {
        self.state().phases.clone()
    }

    fn state(&self) -> MutexGuard<'_, HandleState> {
        // Nothing panics while it holds the lock; what it guards stays whole in any case.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
