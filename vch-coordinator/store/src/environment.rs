//! The inputs that the writer gets from outside the ledger and the store: random bytes, the time,
//! and the state of the machine.

use ipnet::IpNet;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use vch_ledger::{Environment, HostPort};

/// A function that looks a key up; it returns `None` if nothing is known about the key.
pub type Asked<K, V> = Arc<dyn Fn(&K) -> Option<V> + Send + Sync>;

/// Functions that tell which subnets and ports the VCH's machine uses itself, so that the ledger
/// does not allocate them.
#[derive(Clone)]
pub struct HostChecks {
    /// Returns the destination of a route of the machine that overlaps the given subnet; `None` if no such route
    /// exists. Default routes, and routes that the VCH made, do not count.
    pub overlap: Asked<IpNet, IpNet>,
    /// Returns the program and process that listens at the given port, as in `nginx (process 7)`; `None` if no other
    /// process than the coordinator is known to. A port without an address stands for the default addresses for
    /// published ports.
    pub listener: Asked<HostPort, String>,
}

#[cfg(any(test, feature = "test-util"))]
impl HostChecks {
    /// Returns checks by which no subnet and no port is in use, for tests.
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
    /// The checks of subnets and ports that the machine uses itself.
    pub host: HostChecks,
    /// The source of random bytes.
    pub random: RandomSource,
    /// Returns the time in milliseconds since 1970.
    pub clock: Box<dyn FnMut() -> u64 + Send>,
}

impl SystemEnvironment {
    /// Returns the environment with the system's random bytes and clock.
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
