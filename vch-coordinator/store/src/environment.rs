//! What the writer has from outside ledger and store: chance, time, the machine.

use ipnet::IpNet;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use vch_ledger::{Environment, HostPort};

/// Answers about a key, if there is anything to say.
pub type Asked<K, V> = Arc<dyn Fn(&K) -> Option<V> + Send + Sync>;

/// What else is on the machine that is the VCH, and keeps off what the ledger gives.
#[derive(Clone)]
pub struct HostChecks {
    /// A route, not made by us, that overlaps a subnet.
    pub overlap: Asked<IpNet, IpNet>,
    /// Whoever listens at a port.
    pub listener: Asked<HostPort, String>,
}

#[cfg(any(test, feature = "test-util"))]
impl HostChecks {
    /// Returns the checks of a machine with nothing else on it.
    pub fn alone() -> Self {
        Self {
            overlap: Arc::new(|_| None),
            listener: Arc::new(|_| None),
        }
    }
}

/// Fills a slice with random bytes, of the quality of getrandom(2).
type RandomSource = Box<dyn FnMut(&mut [u8]) + Send>;

/// What the writer has from outside ledger and store.
pub(super) struct SystemEnvironment {
    pub host: HostChecks,
    pub random: RandomSource,
    /// The time, milliseconds since 1970.
    pub clock: Box<dyn FnMut() -> u64 + Send>,
}

impl SystemEnvironment {
    pub fn system(host: HostChecks) -> Self {
        Self {
            host,
            // The kernel's pool is ready before any coordinator starts: getrandom(2) fails only
            // for want of the system call, and `Store::open` has used it.
            random: Box::new(|bytes| {
                let _ = getrandom::fill(bytes);
            }),
            clock: Box::new(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
            }),
        }
    }

    /// Decides in this environment; returns the result and the time.
    pub fn decide<T>(&mut self, decide: impl FnOnce(&mut Environment<'_>) -> T) -> (T, u64) {
        let now_ms = (self.clock)();
        let decided = decide(&mut Environment {
            random: &mut *self.random,
            now_ms,
            host_overlap: &*self.host.overlap,
            listener: &*self.host.listener,
        });
        (decided, now_ms)
    }
}
