//! One container's machine, as far as it lives only while the coordinator does.

use super::{event::now_ns, health::Health, restart::Tries, workload::Life};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedRwLockReadGuard, RwLock, watch};
use vch_shim::Phase;

/// What is known of a container that waits for no one else: whoever changes its life has its turn.
#[derive(Debug)]
pub(super) struct Machine {
    /// Held by whoever starts, stops or removes it, so that these come one after the other.
    pub turn: tokio::sync::Mutex<()>,
    /// Held by whoever decides what its life becomes, until that is kept.
    pub writes: tokio::sync::Mutex<()>,
    seen: watch::Sender<Seen>,
    /// Held by whoever reads what it writes: it is removed by itself when they have all of it.
    readers: Arc<RwLock<()>>,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    tries: Tries,
    health: Option<Health>,
    /// What the coordinator did at the last start, before the shim's own phases.
    phases: Vec<Phase>,
}

/// How a container's life is seen by whoever waits for a change of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its life.
    pub life: Life,
    /// How often it has started since the coordinator did.
    pub starts: u64,
    /// How often it has ended since then.
    pub ends: u64,
    /// It is removed.
    pub gone: bool,
}

impl Machine {
    pub fn new(life: Life) -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            writes: tokio::sync::Mutex::default(),
            seen: watch::Sender::new(Seen {
                life,
                ..Seen::default()
            }),
            readers: Arc::default(),
            inside: Mutex::default(),
        }
    }

    /// As long as this is held, it is not removed by itself.
    pub async fn read(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.readers).read_owned().await
    }

    /// When nobody reads any more.
    pub async fn unread(&self) {
        drop(self.readers.write().await);
    }

    /// What is seen of it, now and from now on.
    pub fn watch(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// Another word of its life.
    pub fn show(&self, life: Life) {
        self.seen.send_modify(|seen| seen.life = life);
    }

    /// It has ended.
    pub fn show_end(&self, life: Life) {
        self.seen.send_modify(|seen| {
            seen.life = life;
            seen.ends += 1;
        });
    }

    /// It has started.
    pub fn show_start(&self, life: Life) {
        self.seen.send_modify(|seen| {
            seen.life = life;
            seen.starts += 1;
        });
    }

    /// It is removed.
    pub fn leave(&self) {
        self.seen.send_modify(|seen| seen.gone = true);
    }

    pub fn tries(&self) -> Tries {
        self.inside().tries
    }

    pub fn set_tries(&self, tries: Tries) {
        self.inside().tries = tries;
    }

    /// How it is, where it runs and has a health check.
    pub fn health(&self) -> Option<Health> {
        self.inside().health.clone()
    }

    pub fn set_health(&self, health: Option<Health>) {
        self.inside().health = health;
    }

    /// A start begins.
    pub fn begin_phases(&self) {
        self.inside().phases.clear();
        self.phase("asked");
    }

    /// A phase of the start is at its end.
    pub fn phase(&self, name: &str) {
        let at_us = u64::try_from(now_ns() / 1000).unwrap_or(u64::MAX);
        self.inside().phases.push(Phase {
            name: name.to_owned(),
            at_us,
            uptime_us: None,
        });
    }

    /// What the coordinator did at the last start.
    pub fn phases(&self) -> Vec<Phase> {
        self.inside().phases.clone()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Nothing panics while it holds the lock; what it guards stays whole in any case.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
