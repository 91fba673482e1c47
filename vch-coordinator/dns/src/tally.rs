//! How much each client holds of what is bounded.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::network_id::NetworkId;

/// A client, as far as shares are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ClientKey {
    /// A container, whatever its addresses and the gateways that it asks.
    Container(NetworkId),
    /// An address on a network of which nothing more is known.
    Address(NetworkId, IpAddr),
}

/// Counts, for all together and for each client.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: HashMap<ClientKey, usize>,
    total: usize,
    max: usize,
    max_per_client: usize,
}

impl Tally {
    pub(crate) fn new(max: usize, max_per_client: usize) -> Self {
        Self {
            counts: HashMap::new(),
            total: 0,
            max,
            max_per_client,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.total >= self.max
    }

    /// Takes one more, unless a bound is reached.
    pub(crate) fn enter(&mut self, client: ClientKey) -> bool {
        let held = self.counts.get(&client).copied().unwrap_or_default();
        if self.is_full() || held >= self.max_per_client {
            return false;
        }
        self.counts.insert(client, held + 1);
        self.total += 1;
        true
    }

    /// Gives one back that was entered.
    pub(crate) fn leave(&mut self, client: ClientKey) {
        let Some(held) = self.counts.get_mut(&client) else {
            return;
        };
        *held -= 1;
        self.total -= 1;
        if *held == 0 {
            self.counts.remove(&client);
        }
    }
}
