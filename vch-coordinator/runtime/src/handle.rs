//! The handle of a container's supervisor (the task that controls its run): sends requests to the
//! supervisor, and shows the container's state to tasks that wait for a change.

use super::{
    ask::{Answered, Ask, Reply},
    event::now_ns,
    health::Health,
    lifecycle::{Policy, Request},
    workload::RunState,
};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use tokio::sync::{OwnedRwLockReadGuard, RwLock, mpsc, oneshot, watch};
use vch_shim::Phase;

/// How many requests may be queued for a supervisor. Further senders wait.
const WAITING: usize = 64;

/// The handle of a container's supervisor, the task that controls the container's run.
#[derive(Debug)]
pub(super) struct Handle {
    asks: mpsc::Sender<Ask>,
    /// Held while the container's workload is read, changed and stored, so that no change is lost.
    pub edits: tokio::sync::Mutex<()>,
    seen: watch::Sender<Seen>,
    /// Read-locked by each reader of the container's output. A container that is removed when it
    /// ends waits for the write lock.
    readers: Arc<RwLock<()>>,
    state: Mutex<HandleState>,
}

#[derive(Debug)]
struct HandleState {
    policy: Policy,
    health: Option<Health>,
    /// The coordinator's phases of the last start, which precede the shim's own.
    phases: Vec<Phase>,
}

/// The state of a container, as tasks see it that wait for a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The state of the container's run, as it is stored.
    pub run_state: RunState,
    /// Whether the VM is being started. Meanwhile only the launch decides which NICs the VM has.
    pub starting: bool,
    /// How many times the container has started since the coordinator started.
    pub starts: u64,
    /// How many times the container has ended since the coordinator started.
    pub ends: u64,
    /// How many starts have failed since the coordinator started, before a VM existed.
    pub refusals: u64,
    /// Whether the container was removed.
    pub gone: bool,
}

impl Handle {
    /// Creates a handle, and the channel on which its supervisor receives messages.
    pub fn new(run_state: RunState, policy: Policy) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, heard) = mpsc::channel(WAITING);
        let handle = Self {
            asks,
            edits: tokio::sync::Mutex::default(),
            seen: watch::Sender::new(Seen {
                run_state,
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

    /// Sends the message that `ask` makes from the channel for its answer, and returns the answer;
    /// `None` if the supervisor has ended.
    pub async fn ask(&self, ask: impl FnOnce(Reply) -> Ask) -> Option<Answered> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(ask(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Sends a message that has no answer. Returns whether the supervisor runs.
    pub async fn tell(&self, ask: Ask) -> bool {
        self.asks.send(ask).await.is_ok()
    }

    /// Waits for permission to read the container's output. A container that is removed
    /// automatically at its end stays until the returned guard is dropped.
    pub async fn read(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.readers).read_owned().await
    }

    /// Waits until no client reads the container's output any more.
    pub async fn unread(&self) {
        drop(self.readers.write().await);
    }

    /// Returns a receiver of the container's state: it has the present state, and is notified of
    /// each change.
    pub fn watch(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// Publishes a new state of the run.
    pub fn show(&self, run_state: RunState) {
        self.seen.send_modify(|seen| seen.run_state = run_state);
    }

    /// Publishes that the container has ended, or that its start has failed. A state with an
    /// unchanged time of the last end means that the start failed before a VM existed; it counts as
    /// a refusal.
    pub fn show_end(&self, run_state: RunState) {
        self.seen.send_modify(|seen| {
            if run_state.finished_ms == seen.run_state.finished_ms {
                seen.refusals += 1;
            } else {
                seen.ends += 1;
            }
            seen.run_state = run_state;
        });
    }

    /// Publishes that the container has started.
    pub fn show_start(&self, run_state: RunState) {
        self.seen.send_modify(|seen| {
            seen.run_state = run_state;
            seen.starts += 1;
        });
    }

    /// Publishes whether the VM is being started.
    pub fn show_starting(&self, starting: bool) {
        self.seen.send_if_modified(|seen| {
            let changed = seen.starting != starting;
            seen.starting = starting;
            changed
        });
    }

    /// Publishes that the container was removed.
    pub fn show_removal(&self) {
        self.seen.send_modify(|seen| seen.gone = true);
    }

    /// Waits until no start of the container is under way.
    pub async fn started(&self) {
        let _ = self.watch().wait_for(|seen| !seen.starting).await;
    }

    /// Returns the part of the container's configuration that its lifecycle depends on.
    pub fn policy(&self) -> Policy {
        self.state().policy.clone()
    }

    /// Replaces the part of the container's configuration that its lifecycle depends on.
    pub fn set_policy(&self, policy: Policy) {
        self.state().policy = policy;
    }

    /// Returns the container's health; `None` if it does not run or has no health check.
    pub fn health(&self) -> Option<Health> {
        self.state().health.clone()
    }

    /// Replaces the container's health; `None` if it does not run or has no health check.
    pub fn set_health(&self, health: Option<Health>) {
        self.state().health = health;
    }

    /// Forgets the timed phases of the last start, and begins to record those of a new one.
    pub fn begin_phases(&self) {
        self.state().phases.clear();
        self.phase("asked");
    }

    /// Records that a phase of the start, such as `disks`, has ended now.
    pub fn phase(&self, name: &str) {
        let at_us = u64::try_from(now_ns() / 1000).unwrap_or(u64::MAX);
        self.state().phases.push(Phase {
            name: name.to_owned(),
            at_us,
            uptime_us: None,
        });
    }

    /// Returns the timed phases of the last start that the coordinator itself went through.
    pub fn phases(&self) -> Vec<Phase> {
        self.state().phases.clone()
    }

    fn state(&self) -> MutexGuard<'_, HandleState> {
        // No code panics while it holds the lock, and the data would stay consistent in any case.
        self.state.lock()
    }
}

#[cfg(test)]
mod tests;
