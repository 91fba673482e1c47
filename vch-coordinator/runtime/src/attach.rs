//! Attaches clients to a container's streams (standard input, output and error): before its start,
//! while it runs, and after its end.

use super::{ContainerSnapshot, Runtime, RuntimeError, handle::Seen, workload::Status};
use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};
use protocol::process::Output;
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio::sync::{OwnedRwLockReadGuard, watch};
use vch_ledger::ContainerId;
use vch_shim::{
    ClientError, Outcome, StreamItem, StreamReader, StreamWriter, Streams,
    log::{Position, Reader},
};

/// A client's connection to a container's streams (standard input, output and error).
/// [`Runtime::attach`] makes it.
pub struct Attached {
    /// The container's output and error streams, from the requested position on.
    pub output: Outputs,
    /// The container's standard input; `None` if the caller did not ask for it, if the start that it waited for failed,
    /// or if the container has ended already.
    pub input: Option<StreamWriter>,
}

/// Reads a container's output and error streams up to the end of its run. As long as this value exists, a container
/// that is removed automatically at its end (`--rm`) is not removed yet, but at most until 10 s after the end.
pub struct Outputs {
    from: From,
    /// Keeps a container from being removed at its end while its output is read.
    _held: OwnedRwLockReadGuard<()>,
}

enum From {
    Shim(StreamReader),
    /// The log in this directory of the container.
    Log(Reader, PathBuf),
    /// The container did not start.
    Nothing,
}

impl Outputs {
    /// Waits for the next piece of output, and returns it with its stream. Returns `None` when the
    /// container has ended and all of its output was read. Not cancel-safe: dropping the future can
    /// lose output.
    ///
    /// # Errors
    /// - [`RuntimeError::Shim`] if the connection to the VM's shim process breaks.
    /// - [`RuntimeError::File`] if the log file cannot be read.
    pub async fn next(&mut self) -> Result<Option<(Output, Vec<u8>)>, RuntimeError> {
        match &mut self.from {
            From::Shim(reader) => match reader.next().await? {
                StreamItem::Output(stream, bytes) => Ok(Some((stream, bytes))),
                StreamItem::Ended(_) => Ok(None),
            },
            From::Nothing => Ok(None),
            From::Log(reader, dir) => {
                let record = reader.read();
                let record = record.map_err(|source| unreadable(dir, source))?;
                Ok(record.map(|record| (record.stream, record.bytes)))
            }
        }
    }
}

fn unreadable(dir: &Path, source: io::Error) -> RuntimeError {
    RuntimeError::File {
        what: "read the log of the container in",
        path: dir.to_owned(),
        source,
    }
}

impl Runtime {
    /// Attaches a client to a container's output and error streams, and to its standard input if `input` is true.
    ///
    /// If the container runs, its output begins at the position `from` of its log, or with new output if `from` is
    /// `None`. If it does not run, the returned future waits for its next start, and the output begins there; if that
    /// start fails, the output is empty. No start after this function has returned is missed.
    ///
    /// # Errors
    /// - The errors of [`require`](Self::require).
    /// - [`RuntimeError::Shim`] if the shim process of a running container does not answer.
    ///
    /// The returned future fails with [`RuntimeError::NotRunning`] if the container is removed before it starts.
    pub async fn attach(
        &self,
        id: ContainerId,
        from: Option<Position>,
        input: bool,
    ) -> Result<BoxFuture<'static, Result<Attached, RuntimeError>>, RuntimeError> {
        let handle = self.handle(id).await?;
        let held = handle.read().await;
        let (seen, then) = {
            let mut seen = handle.watch();
            let then = seen.borrow_and_update().clone();
            (seen, then)
        };
        // Read only now: a start that was stored earlier is not shown as a later one.
        let snapshot = self.require(id).await?;
        if snapshot.container.runs() && snapshot.run_state.status == Status::Running {
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
        match self.attach_run(&snapshot, input).await {
            Ok(streams) => Ok(attached(streams, input, held)),
            // The container has already ended. Its complete output is in the log.
            Err(RuntimeError::Shim(ClientError::Gone(_))) => Ok(Attached {
                output: Outputs {
                    from: self.last_run(id)?,
                    _held: held,
                },
                input: None,
            }),
            Err(error) => Err(error),
        }
    }

    /// Attaches to a running container from the first byte of its present run on.
    ///
    /// # Errors
    /// Returns [`RuntimeError::Shim`] if the shim does not answer.
    async fn attach_run(
        &self,
        snapshot: &ContainerSnapshot,
        input: bool,
    ) -> Result<Streams, RuntimeError> {
        let from = self.stage(snapshot).await?.log_from;
        let ends = snapshot.workload.input_once;
        let client = self.client(snapshot)?;
        Ok(client.attach(Some(from), input, ends).await?)
    }

    /// Returns the output of the container's last run.
    ///
    /// # Errors
    /// Returns [`RuntimeError::File`] if the outcome of that run cannot be read.
    fn last_run(&self, id: ContainerId) -> Result<From, RuntimeError> {
        let dir = self.0.dirs.of(id);
        let outcome = Outcome::read(&dir).map_err(|source| unreadable(&dir, source))?;
        let from = outcome.map(|outcome| outcome.log_from).unwrap_or_default();
        Ok(From::Log(Reader::open(&dir, from), dir))
    }

    /// Returns the path of the directory that contains a container's log files, for [`vch_shim::log::Reader`]. The
    /// container need not exist.
    pub fn log_dir(&self, id: ContainerId) -> PathBuf {
        self.0.dirs.of(id)
    }

    /// Follows the log of a running container from the position `from` up to the end of the run, as `docker logs
    /// --follow` does. Returns `None` if the container does not run or its shim process does not answer; the caller
    /// then reads the log from the files in [`log_dir`](Self::log_dir).
    ///
    /// # Errors
    /// Returns the errors of [`require`](Self::require).
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

#[cfg(test)]
mod tests;
