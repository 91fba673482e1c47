//! Who waits for upstream: a client's share is what the others leave it, and where there is no room
//! the one with most gives.

use std::collections::{BTreeMap, HashMap};

use crate::tally::ClientKey;

/// One waiting question: numbers grow, so the smallest is the oldest.
pub(crate) type Number = u64;

/// What each client has waiting; `T` finds it.
#[derive(Debug)]
pub(crate) struct Shares<T> {
    held: HashMap<ClientKey, BTreeMap<Number, T>>,
    next: Number,
    total: usize,
    max: usize,
    max_per_client: usize,
}

/// Whether one more question may wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room<T> {
    /// There is room.
    Free,
    /// There is, once this one has given way: the oldest of the client with most.
    Instead(ClientKey, Number, T),
    /// There is no room for this client.
    None,
}

impl<T: Copy> Shares<T> {
    pub(crate) fn new(max: usize, max_per_client: usize) -> Self {
        Self {
            held: HashMap::new(),
            next: 0,
            total: 0,
            max,
            max_per_client,
        }
    }

    /// Whether a client may have one more. A client with as much as any other has its share.
    pub(crate) fn room(&self, client: ClientKey) -> Room<T> {
        let own = self.held.get(&client).map_or(0, BTreeMap::len);
        if own >= self.max_per_client {
            return Room::None;
        }
        if self.total < self.max {
            return Room::Free;
        }
        let greediest = self.held.iter().max_by_key(|(_, held)| held.len());
        let oldest = greediest
            .filter(|(_, held)| held.len() > own + 1)
            .and_then(|(client, held)| Some((*client, held.first_key_value()?)));
        match oldest {
            Some((client, (number, value))) => Room::Instead(client, *number, *value),
            None => Room::None,
        }
    }

    /// Takes one more.
    pub(crate) fn enter(&mut self, client: ClientKey, value: T) -> Number {
        self.next += 1;
        self.held
            .entry(client)
            .or_default()
            .insert(self.next, value);
        self.total += 1;
        self.next
    }

    /// Gives one back.
    pub(crate) fn leave(&mut self, client: ClientKey, number: Number) {
        let Some(held) = self.held.get_mut(&client) else {
            return;
        };
        if held.remove(&number).is_some() {
            self.total -= 1;
        }
        if held.is_empty() {
            self.held.remove(&client);
        }
    }
}

#[cfg(test)]
mod tests;
