//! What is written of a container's life: one change after the other, each made of the life as it is.

use crate::{
    requests::RequestError,
    runtime::{
        ContainerSnapshot, Runtime, RuntimeError, containers::document, machine::Machine,
        workload::Life,
    },
    store::WriterError,
};
use std::time::Duration;
use vch_ledger::{Command, ContainerId, DocumentKind};

/// Until it is tried again to keep an end on a full disk.
const FULL: Duration = Duration::from_secs(1);

/// What a life becomes.
pub struct Change {
    life: Life,
    stage: Stage,
}

enum Stage {
    Same,
    Started,
    Ended,
}

impl Change {
    /// The container goes on, or waits on.
    pub fn same(life: Life) -> Self {
        Self {
            life,
            stage: Stage::Same,
        }
    }

    /// Its process runs.
    pub fn started(life: Life) -> Self {
        Self {
            life,
            stage: Stage::Started,
        }
    }

    /// It has ended: as one transaction its names and ports go, and how it ended is kept.
    pub fn ended(life: Life) -> Self {
        Self {
            life,
            stage: Stage::Ended,
        }
    }
}

impl Runtime {
    /// Decides a change by the container as it is, and carries it out before anybody else decides one.
    pub(super) async fn change(
        &self,
        id: ContainerId,
        machine: &Machine,
        decide: impl FnOnce(&ContainerSnapshot) -> Option<Change>,
    ) -> Result<(), RuntimeError> {
        let _writes = machine.writes.lock().await;
        let looked = self.require(id).await?;
        let Some(Change { life, stage }) = decide(&looked) else {
            return Ok(());
        };
        let keep = document(&id.into(), DocumentKind::Life, &life)?;
        let commands = match stage {
            Stage::Ended => vec![Command::StopContainer(id.into()), keep],
            Stage::Same | Stage::Started => vec![keep],
        };
        let commands = Command::Batch(commands);
        loop {
            match self.0.requests.carry_out(commands.clone()).await {
                // It has ended whether or not there is room on the disk to say so.
                Err(RequestError::NotKept(WriterError::Full)) if matches!(stage, Stage::Ended) => {
                    tokio::time::sleep(FULL).await;
                }
                Err(error) => return Err(error.into()),
                Ok(_) => break,
            }
        }
        match stage {
            Stage::Same => machine.show(life),
            Stage::Started => machine.show_start(life),
            Stage::Ended => machine.show_end(life),
        }
        Ok(())
    }
}
