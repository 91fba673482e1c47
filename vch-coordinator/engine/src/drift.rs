//! The parts of the data plane that do not agree with the ledger at present.

use crate::error::DataplaneError;
use std::sync::{Arc, Mutex, PoisonError};
use vch_log::error_chain;

/// A list of messages, one for each part of the data plane that does not agree with the ledger at
/// present; empty if all agree. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct Drift(Arc<Mutex<Vec<String>>>);

impl Drift {
    /// Returns a message for each part that does not agree and is tried again.
    pub fn messages(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the messages by those of the errors `failed` and of the changes that are `waiting`.
    pub fn report(&self, failed: &[DataplaneError], waiting: Vec<String>) {
        let mut messages: Vec<String> = failed.iter().map(|error| error_chain(error)).collect();
        messages.extend(waiting);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = messages;
    }
}
