//! What a container writes and reads, for clients: before it starts, while it runs, and after its end.

use super::{ContainerSnapshot, Runtime, RuntimeError, handle::Seen, workload::Status};
use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};
use protocol::process::Output;
use std::{io, path::PathBuf};
use tokio::sync::{OwnedRwLockReadGuard, watch};
use vch_ledger::ContainerId;
use vch_shim::{
    Outcome, StreamItem, StreamReader, StreamWriter, Streams,
    log::{Position, Reader},
};

/// A client of a container's streams.
pub struct Attached {
    /// What it writes.
    pub output: Outputs,
    /// Its input; `None` where it was not asked for, or the container has ended.
    pub input: Option<StreamWriter>,
}

/// What a container writes, up to its end.
pub struct Outputs {
    from: From,
    /// Keeps a container that removes itself.
    _held: OwnedRwLockReadGuard<()>,
}

enum From {
    Shim(StreamReader),
    Log(Reader),
    /// It did not start.
    Nothing,
}

impl Outputs {
    /// What comes next; `None` at the end. Not cancel-safe.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn next(&mut self) -> Result<Option<(Output, Vec<u8>)>, RuntimeError> {
        match &mut self.from {
            From::Shim(reader) => match reader.next().await? {
                StreamItem::Output(stream, bytes) => Ok(Some((stream, bytes))),
                StreamItem::Ended(_) => Ok(None),
            },
            From::Nothing => Ok(None),
            From::Log(reader) => {
                let record = reader.read().map_err(unreadable)?;
                Ok(record.map(|record| (record.stream, record.bytes)))
            }
        }
    }
}

fn unreadable(source: io::Error) -> RuntimeError {
    RuntimeError::File {
        what: "read the log of the container in",
        path: PathBuf::new(),
        source,
    }
}

impl Runtime {
    /// Attaches a client: to a container that runs, from a position of its log or from now on; to one that does
    /// not, from the start of its next life on, for which what is given back waits. When this is answered, no
    /// start is missed.
    ///
    /// # Errors
    /// [`RuntimeError`]; it is removed before it starts.
    pub async fn attach(
        &self,
        id: ContainerId,
        from: Option<Position>,
        input: bool,
    ) -> Result<BoxFuture<'static, Result<Attached, RuntimeError>>, RuntimeError> {
        let snapshot = self.require(id).await?;
        let handle = self.handle_of(&snapshot);
        let held = handle.read().await;
        let (seen, then) = {
            let mut seen = handle.watch();
            let then = seen.borrow_and_update().clone();
            (seen, then)
        };
        if snapshot.container.runs() && snapshot.life.status == Status::Running {
            let ends = snapshot.workload.input_once;
            let streams = self.client(&snapshot)?.attach(from, input, ends).await?;
            return Ok(future::ready(Ok(attached(streams, input, held))).boxed());
        }
        let runtime = self.clone();
        Ok(async move { runtime.attach_next(id, (seen, then), input, held).await }.boxed())
    }

    async fn attach_next(
        &self,
        id: ContainerId,
        (mut seen, then): (watch::Receiver<Seen>, Seen),
        input: bool,
        held: OwnedRwLockReadGuard<()>,
    ) -> Result<Attached, RuntimeError> {
        let counts = |seen: &Seen| (seen.starts, seen.ends, seen.refusals);
        let next = |seen: &Seen| seen.gone || counts(seen) != counts(&then);
        let not_running = || RuntimeError::NotRunning(id.to_string());
        let now = seen
            .wait_for(next)
            .await
            .map_err(|_| not_running())?
            .clone();
        if now.gone {
            return Err(not_running());
        }
        if now.starts == then.starts {
            return Ok(Attached {
                output: Outputs {
                    from: From::Nothing,
                    _held: held,
                },
                input: None,
            });
        }
        let snapshot = self.require(id).await?;
        match self.attach_life(&snapshot, input).await {
            Ok(streams) => Ok(attached(streams, input, held)),
            // It was faster: all that it wrote is in the log.
            Err(_) => Ok(Attached {
                output: Outputs {
                    from: From::Log(self.last_life(id)?),
                    _held: held,
                },
                input: None,
            }),
        }
    }

    /// From the first byte of the present life on.
    async fn attach_life(
        &self,
        snapshot: &ContainerSnapshot,
        input: bool,
    ) -> Result<Streams, RuntimeError> {
        let client = self.client(snapshot)?;
        let from = client.watch().await?.next().await?.log_from;
        let ends = snapshot.workload.input_once;
        Ok(client.attach(Some(from), input, ends).await?)
    }

    /// What the last life wrote.
    fn last_life(&self, id: ContainerId) -> Result<Reader, RuntimeError> {
        let dir = self.0.dirs.of(id);
        let outcome = Outcome::read(&dir).map_err(unreadable)?;
        let from = outcome.map(|outcome| outcome.log_from).unwrap_or_default();
        Ok(Reader::open(&dir, from))
    }

    /// Where what a container wrote is kept, as a log of `vch_shim::log`.
    pub fn log_dir(&self, id: ContainerId) -> PathBuf {
        self.0.dirs.of(id)
    }

    /// What a container writes behind a position of its log, up to its end; `None` where it does not run.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn log_on(
        &self,
        id: ContainerId,
        from: Position,
    ) -> Result<Option<Outputs>, RuntimeError> {
        let snapshot = self.require(id).await?;
        if !snapshot.container.runs() {
            return Ok(None);
        }
        let handle = self.handle_of(&snapshot);
        let held = handle.read().await;
        let streams = self
            .client(&snapshot)?
            .attach(Some(from), false, false)
            .await;
        Ok(streams
            .ok()
            .map(|streams| attached(streams, false, held).output))
    }
}

fn attached(streams: Streams, input: bool, held: OwnedRwLockReadGuard<()>) -> Attached {
    Attached {
        output: Outputs {
            from: From::Shim(streams.reader),
            _held: held,
        },
        input: input.then_some(streams.writer),
    }
}
