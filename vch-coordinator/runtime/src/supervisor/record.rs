//! What is stored of a run: by the supervisor alone, one change after the other.

use super::{Done, Supervised};
use crate::{RuntimeError, lifecycle::Event, runtime::document, workload::Life};
use std::{sync::Arc, time::Duration};
use vch_engine::RequestError;
use vch_ledger::{Command, DocumentKind};
use vch_log::error_chain;
use vch_store::WriterError;

/// Before it is tried again to store an end.
const AGAIN: Duration = Duration::from_secs(1);

impl Supervised {
    /// Stores a run.
    pub(super) async fn record(&mut self, life: Life) -> Result<(), RuntimeError> {
        let command = document(&self.id.into(), DocumentKind::Life, &life)?;
        self.runtime.0.requests.carry_out(command).await?;
        Ok(())
    }

    /// Stores an end and takes the container's names and ports out of force, as one transaction; tried until it
    /// succeeds: it has ended whether or not there is room on the disk to say so.
    pub(super) fn record_end(&self, life: Life) {
        let (runtime, id, handle) = (self.runtime.clone(), self.id, Arc::clone(&self.handle));
        self.beside(async move {
            let commands = || {
                let keep = document(&id.into(), DocumentKind::Life, &life)?;
                Ok::<_, RuntimeError>(Command::Batch(vec![Command::StopContainer(id.into()), keep]))
            };
            loop {
                let stored = match commands() {
                    Ok(commands) => runtime.0.requests.carry_out(commands).await,
                    Err(error) => {
                        tracing::error!(container = %id, error = error_chain(&error), "an end is not stored");
                        break;
                    }
                };
                match stored {
                    Ok(_) => break,
                    Err(RequestError::NotKept(WriterError::Full)) => {}
                    // Its row was removed by another request, which the supervisor is told.
                    Err(RequestError::Refused(_)) => break,
                    Err(error) => {
                        let error = error_chain(&error);
                        tracing::warn!(container = %id, error, "an end is not stored yet");
                    }
                }
                tokio::time::sleep(AGAIN).await;
            }
            handle.show_end(life);
            Done::Event(Event::Recorded)
        });
    }
}
