//! What does not agree with the ledger at present.

use crate::error::DataplaneError;
use std::sync::{Arc, Mutex, PoisonError};
use vch_log::error_chain;

/// What drifts from the ledger at present, as messages. Empty when all is well.
#[derive(Clone, Debug, Default)]
pub struct Drift(Arc<Mutex<Vec<String>>>);

impl Drift {
    /// A line for each part that is being retried.
    pub fn messages(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says what is not so, in place of what was said before.
    pub fn report(&self, failed: &[DataplaneError], waiting: Vec<String>) {
        let mut messages: Vec<String> = failed.iter().map(|error| error_chain(error)).collect();
        messages.extend(waiting);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = messages;
    }
}
