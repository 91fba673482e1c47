//! Keeps the messages for processes that do not run yet.

use protocol::process::{ProcessId, ToInit, WINDOW};
use std::collections::BTreeMap;

/// Most messages that wait for one process: beside input, which has its window, there are some signals and sizes.
const MOST: usize = 1024;

/// The messages for processes that do not run yet, by process.
#[derive(Default)]
pub struct EarlyMessages(BTreeMap<ProcessId, Queue>);

#[derive(Default)]
struct Queue {
    messages: Vec<ToInit>,
    input: usize,
}

impl EarlyMessages {
    /// Begins to keep the messages for a process that will be started.
    pub fn expect(&mut self, id: ProcessId) {
        self.0.insert(id, Queue::default());
    }

    /// Keeps a message for a process that is expected. Drops the message if the process is not
    /// expected, or if too much is kept for it.
    pub fn keep(&mut self, id: ProcessId, message: ToInit) {
        let Some(waiting) = self.0.get_mut(&id) else {
            return;
        };
        let bytes = match &message {
            ToInit::Input { bytes, .. } => bytes.len(),
            _ => 0,
        };
        let window = usize::try_from(WINDOW).unwrap_or(usize::MAX);
        if waiting.messages.len() < MOST && waiting.input + bytes <= window {
            waiting.input += bytes;
            waiting.messages.push(message);
        }
    }

    /// Returns the messages for a process in order, and keeps no further ones, since the process
    /// runs or never will.
    pub fn take(&mut self, id: ProcessId) -> Vec<ToInit> {
        let waiting = self.0.remove(&id).unwrap_or_default();
        waiting.messages
    }
}

#[cfg(test)]
mod tests;
