//! Stores the states of a container's run, one after the other. Only the supervisor stores them.

use super::{Done, Supervised};
use crate::{RuntimeError, lifecycle::Event, runtime::document, workload::RunState};
use std::{sync::Arc, time::Duration};
use vch_engine::RequestError;
use vch_ledger::{Command, DocumentKind};
use vch_log::error_chain;
use vch_store::WriterError;

/// The pause before the supervisor tries again to store the end of a run.
const AGAIN: Duration = Duration::from_secs(1);

impl Supervised {
    /// Stores the state of the run.
    ///
    /// # Errors
    /// - [`RuntimeError::Unwritable`] if the run cannot be serialized.
    /// - [`RuntimeError::Request`] if the ledger refuses the command or cannot store it.
    pub(super) async fn record(&mut self, run_state: RunState) -> Result<(), RuntimeError> {
        let command = document(&self.id.into(), DocumentKind::RunState, &run_state)?;
        self.runtime.0.requests.carry_out(command).await?;
        Ok(())
    }

    /// Stores the end of a run and releases the container's names and ports in one transaction.
    ///
    /// Tries again until it succeeds: the container has ended whether or not the disk has room to
    /// record it.
    pub(super) fn record_end(&self, run_state: RunState) {
        let (runtime, id, handle) = (self.runtime.clone(), self.id, Arc::clone(&self.handle));
        self.beside(async move {
            let commands = || {
                let keep = document(&id.into(), DocumentKind::RunState, &run_state)?;
                Ok::<_, RuntimeError>(Command::Batch(vec![Command::StopContainer(id.into()), keep]))
            };
            loop {
                let stored = match commands() {
                    Ok(commands) => runtime.0.requests.carry_out(commands).await,
                    Err(error) => {
                        tracing::error!(container = %id, error = error_chain(&error), "end of a run not stored");
                        break;
                    }
                };
                match stored {
                    Ok(_) => break,
                    Err(RequestError::NotKept(WriterError::Full)) => {}
                    // Another request removed the container's row and tells the supervisor so.
                    Err(RequestError::Refused(_)) => break,
                    Err(error) => {
                        let error = error_chain(&error);
                        tracing::warn!(container = %id, error, "end of a run not stored yet; trying again");
                    }
                }
                tokio::time::sleep(AGAIN).await;
            }
            handle.show_end(run_state);
            Done::Event(Event::Recorded)
        });
    }
}

#[cfg(test)]
mod tests;
