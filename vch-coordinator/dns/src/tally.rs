//! Counts how much of a bounded resource each client holds.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::network_id::NetworkId;

/// The identity of a client for its share of bounded resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ClientKey {
    /// A container, whatever its addresses and the gateways that it asks.
    Container(NetworkId),
    /// An address on a network that belongs to no known container.
    Address(NetworkId, IpAddr),
}

/// Counts of a bounded resource: in total and for each client.
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

    /// Counts one more for a client, and returns true, unless a bound is reached.
    pub(crate) fn enter(&mut self, client: ClientKey) -> bool {
        let held = self.counts.get(&client).copied().unwrap_or_default();
        if self.is_full() || held >= self.max_per_client {
            return false;
        }
        self.counts.insert(client, held + 1);
        self.total += 1;
        true
    }

    /// Counts one less for a client.
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
