//! Questions by UDP that were read and are not answered yet: a queue for each client, served in turn.
//!
//! What the kernel keeps for a socket is one queue for all of its clients, so it is read faster than questions are
//! answered: a client that floods meets its own bound here, and does not fill the kernel's queue for the others. There
//! is no fixed rate: while a client keeps less waiting than its share, all of its questions are answered.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use crate::network_id::NetworkId;
use crate::reactor::Token;
use crate::tally::ClientKey;

/// A query has at most 1,232 octets (what we say we take); a longer one is cut and so malformed.
const MAX_QUERY: usize = 1_280;
/// Slots that are not for waiting questions: one is being read into, one is being answered.
const IN_HAND: usize = 2;

/// The origin of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The gateway's socket that the question arrived at.
    pub gateway: Token,
    /// The network of that gateway.
    pub network: NetworkId,
    /// The address and port of the client, to which the answer is sent.
    pub peer: SocketAddr,
    /// The client whose share of the server's bounds the question counts to.
    pub client: ClientKey,
}

/// The waiting questions of one thread. Its memory is fixed: nothing is allocated for a question.
#[derive(Debug)]
pub(crate) struct WaitingQueue {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// The next question is read into this slot.
    reading: usize,
    /// The question that has its turn is in this slot.
    answering: usize,
    /// The queues of clients that have questions waiting.
    queues: HashMap<ClientKey, Queue>,
    /// The same, in the order of their turns.
    turns: VecDeque<ClientKey>,
}

#[derive(Debug, Clone)]
struct Slot {
    message: [u8; MAX_QUERY],
    length: usize,
    origin: Option<Origin>,
    /// Behind it in its client's queue.
    next: usize,
}

/// One client's questions, the oldest first.
#[derive(Debug, Clone, Copy)]
struct Queue {
    first: usize,
    last: usize,
    length: usize,
}

impl WaitingQueue {
    /// Makes a queue with room for `most` questions.
    pub(crate) fn new(most: usize) -> Self {
        let slot = Slot {
            message: [0; MAX_QUERY],
            length: 0,
            origin: None,
            next: 0,
        };
        let total = most + IN_HAND;
        Self {
            slots: vec![slot; total],
            free: (IN_HAND..total).collect(),
            reading: 0,
            answering: 1,
            queues: HashMap::with_capacity(most),
            turns: VecDeque::with_capacity(most),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Returns the buffer to read the next question into.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        self.slots
            .get_mut(self.reading)
            .map_or(&mut [], |slot| &mut slot.message)
    }

    /// Keeps the question that was read into the buffer; returns `false`, and drops it, if its client has its share:
    /// as many questions as there is room left. One client alone may fill half of the room, so that others always
    /// find some.
    pub(crate) fn keep(&mut self, length: usize, origin: Origin) -> bool {
        let held = self.queues.get(&origin.client).copied();
        if held.map_or(0, |queue| queue.length) >= self.free.len() {
            return false;
        }
        let Some(free) = self.free.pop() else {
            return false;
        };
        let kept = std::mem::replace(&mut self.reading, free);
        if let Some(slot) = self.slots.get_mut(kept) {
            slot.length = length;
            slot.origin = Some(origin);
        }
        let queue = match held {
            Some(queue) => {
                if let Some(last) = self.slots.get_mut(queue.last) {
                    last.next = kept;
                }
                Queue {
                    last: kept,
                    length: queue.length + 1,
                    ..queue
                }
            }
            None => {
                self.turns.push_back(origin.client);
                Queue {
                    first: kept,
                    last: kept,
                    length: 1,
                }
            }
        };
        self.queues.insert(origin.client, queue);
        true
    }

    /// Takes the oldest question of the client whose turn it is.
    pub(crate) fn next(&mut self) -> Option<Origin> {
        let client = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&client)?;
        let taken = queue.first;
        queue.length -= 1;
        let slot = self.slots.get(taken)?;
        if queue.length == 0 {
            self.queues.remove(&client);
        } else {
            queue.first = slot.next;
            self.turns.push_back(client);
        }
        self.free
            .push(std::mem::replace(&mut self.answering, taken));
        slot.origin
    }

    /// Returns the question that was taken last.
    pub(crate) fn message(&self) -> &[u8] {
        let slot = self.slots.get(self.answering);
        slot.and_then(|slot| slot.message.get(..slot.length))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
