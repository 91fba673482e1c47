//! Shares of the questions that wait for upstream servers: a client may use what the others leave,
//! and where there is no room the client with most gives way.

use std::collections::{BTreeMap, HashMap};

use crate::tally::ClientKey;

/// The number of a waiting question: numbers grow, so the smallest is the oldest.
pub(crate) type Number = u64;

/// The waiting questions of each client; `T` identifies a question for the caller.
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
    /// It may, once this question has given way: the oldest of the client that has most.
    Instead(ClientKey, Number, T),
    /// It may not: the client has its share.
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

    /// Returns whether a client may have one more question waiting. A client that has as many as
    /// any other has its share.
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

    /// Adds a question of a client; returns its number.
    pub(crate) fn enter(&mut self, client: ClientKey, value: T) -> Number {
        self.next += 1;
        self.held
            .entry(client)
            .or_default()
            .insert(self.next, value);
        self.total += 1;
        self.next
    }

    /// Removes a question of a client.
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
