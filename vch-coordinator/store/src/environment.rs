//! The inputs that the writer gets from outside the ledger and the store: random bytes, the time,
//! and the state of the machine.

use ipnet::IpNet;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use vch_ledger::{Environment, HostPort};

/// A function that looks a key up; `None` if there is nothing of that key.
pub type Asked<K, V> = Arc<dyn Fn(&K) -> Option<V> + Send + Sync>;

/// Checks of the machine that the VCH runs on: addresses and ports that the machine uses itself, so
/// that the ledger does not give them out.
#[derive(Clone)]
pub struct HostChecks {
    /// Returns a route that the VCH did not make and that overlaps the subnet.
    pub overlap: Asked<IpNet, IpNet>,
    /// Returns the name of the process that listens at the port.
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

/// The source of random bytes and time, and the host's checks, that the ledger decides with.
pub(super) struct SystemEnvironment {
    pub host: HostChecks,
    pub random: RandomSource,
    /// Returns the time in milliseconds since 1970.
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

    /// Calls `decide` with this environment; returns its result, and the time that it was given.
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
