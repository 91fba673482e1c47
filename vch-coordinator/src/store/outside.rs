//! What the keeper has from outside ledger and store: chance, time, the host's routes.

use ipnet::IpNet;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use vch_ledger::Surroundings;

/// A route of the host, not made by us, that overlaps a subnet.
pub type HostOverlap = Arc<dyn Fn(&IpNet) -> Option<IpNet> + Send + Sync>;

/// Fills a slice with random bytes, of the quality of getrandom(2).
type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// What the keeper has from outside ledger and store.
pub(super) struct Outside {
    pub host_overlap: HostOverlap,
    pub random: Random,
    /// The time, milliseconds since 1970.
    pub clock: Box<dyn FnMut() -> u64 + Send>,
}

impl Outside {
    pub fn system(host_overlap: HostOverlap) -> Self {
        Self {
            host_overlap,
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

    /// Decides in these surroundings, and says when.
    pub fn decide<T>(&mut self, decide: impl FnOnce(&mut Surroundings<'_>) -> T) -> (T, u64) {
        let now_ms = (self.clock)();
        let decided = decide(&mut Surroundings {
            random: &mut *self.random,
            now_ms,
            host_overlap: &*self.host_overlap,
            listener: &|_| None,
        });
        (decided, now_ms)
    }
}
