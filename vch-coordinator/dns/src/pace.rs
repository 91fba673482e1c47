//! How many questions a second each client may ask, answered here or upstream.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::tally::ClientKey;

/// Clients remembered: more than a VCH has containers. Then all are forgotten, which gives each a
/// second's worth again.
const REMEMBERED: usize = 16_384;

/// A token bucket for each client, of a second's worth.
#[derive(Debug)]
pub(crate) struct Pace {
    each_second: u32,
    clients: HashMap<ClientKey, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    filled: Instant,
}

impl Pace {
    pub(crate) fn new(each_second: usize) -> Self {
        Self {
            each_second: u32::try_from(each_second).unwrap_or(u32::MAX),
            clients: HashMap::new(),
        }
    }

    /// Whether a client may ask one more; it is then counted.
    pub(crate) fn take(&mut self, client: ClientKey, now: Instant) -> bool {
        if self.clients.len() >= REMEMBERED && !self.clients.contains_key(&client) {
            self.clients.clear();
        }
        let bucket = self.clients.entry(client).or_insert(Bucket {
            left: self.each_second,
            filled: now,
        });
        let every = Duration::from_secs(1) / self.each_second.max(1);
        let since = now.saturating_duration_since(bucket.filled);
        let gained = since.as_nanos() / every.as_nanos().max(1);
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        if gained > 0 {
            bucket.left = bucket.left.saturating_add(gained).min(self.each_second);
            // What is left of a token's time is not lost.
            bucket.filled += every * gained.min(self.each_second);
            if bucket.left == self.each_second {
                bucket.filled = now;
            }
        }
        let any = bucket.left > 0;
        bucket.left = bucket.left.saturating_sub(1);
        any
    }
}

#[cfg(test)]
mod tests;
