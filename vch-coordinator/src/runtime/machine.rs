//! One container's machine, as far as it lives only while the coordinator does.

use super::{restart::Tries, workload::Life};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What is known of a container that waits for no one else: whoever changes its life has its turn.
#[derive(Debug)]
pub(super) struct Machine {
    /// Held by whoever starts, stops or removes it, so that these come one after the other.
    pub turn: tokio::sync::Mutex<()>,
    seen: watch::Sender<Seen>,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    tries: Tries,
}

/// How a container's life is seen by whoever waits for a change of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its life.
    pub life: Life,
    /// How often it has ended since the coordinator started.
    pub ends: u64,
    /// It is removed.
    pub gone: bool,
}

impl Machine {
    pub fn new(life: Life) -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            seen: watch::Sender::new(Seen {
                life,
                ..Seen::default()
            }),
            inside: Mutex::default(),
        }
    }

    /// What is seen of it, now and from now on.
    pub fn watch(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// Another life, or another stage of it.
    pub fn show(&self, life: Life, ended: bool) {
        self.seen.send_modify(|seen| {
            seen.life = life;
            seen.ends += u64::from(ended);
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

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Nothing panics while it holds the lock; what it guards stays whole in any case.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
