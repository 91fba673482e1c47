//! Transfers the streams of an exec between the process and the client's connection, until the
//! process ends.

use super::{
    super::{
        Docker,
        streams::{Hijack, Keys, Left, Shape, ToClient, close, end},
    },
    register::Claim,
};
use docker_model::{DockerError, error::printable};
use protocol::process::{Exit, Output};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;
use vch_runtime::event::{ContainerAction, ExecAction};
use vch_shim::{Running, StreamItem, StreamReader};

/// Writes an error as output to a connection that has already become a raw stream, as dockerd does, and closes it.
pub async fn explained(hijack: Hijack, refused: DockerError, shape: Shape) {
    let Some(client) = hijack.taken().await else {
        return;
    };
    let (from_client, mut to_client) = client.parts();
    let line = format!("{}\r\n", printable(&refused.message));
    if let Some(piece) = shape.framed(Output::Stdout, line.as_bytes()) {
        // A client that has gone does not read it.
        let _ = to_client.write_all(&piece).await;
    }
    close(from_client, to_client).await;
}

/// Records how an exec's process ended.
pub struct Ending {
    /// The state of the API, for the events that tell of the end.
    pub docker: Docker,
    /// The exec that the process belongs to.
    pub claim: Claim,
}

impl Ending {
    async fn detached(&self) {
        let container = self.claim.exec.container;
        let detached = ContainerAction::Exec {
            exec: self.claim.id().to_owned(),
            action: ExecAction::Detached,
        };
        self.docker.runtime.tell(container, detached).await;
    }

    async fn ended(self, exit: Option<Exit>) {
        let code = exit.map_or(137, |exit| i64::from(exit.code));
        let exec = self.claim.id().to_owned();
        let container = self.claim.exec.container;
        self.claim.ended(code);
        let action = ExecAction::Died(code);
        let died = ContainerAction::Exec { exec, action };
        self.docker.runtime.tell(container, died).await;
    }
}

/// Follows an exec's process without a client until its end: its input is closed and its output is discarded.
pub async fn drained(ending: Ending, running: Running) {
    drop(running.streams.writer);
    let mut reader = running.streams.reader;
    let exit = unread(&mut reader).await;
    ending.ended(exit).await;
}

/// Discards a process's output until its end. Returns how it ended.
async fn unread(reader: &mut StreamReader) -> Option<Exit> {
    loop {
        match reader.next().await {
            Ok(StreamItem::Output(..)) => {}
            Ok(StreamItem::Ended(exit)) => return exit,
            Err(_) => return None,
        }
    }
}

/// Transfers the streams between a client and an exec's process until the process ends. `input` tells whether the
/// client's input is passed on, and `keys` detach the client. If the client leaves, the process keeps running.
pub async fn carried(
    ending: Ending,
    running: Running,
    hijack: Hijack,
    shape: Shape,
    (input, keys): (bool, Keys),
) {
    let Some(client) = hijack.taken().await else {
        return drained(ending, running).await;
    };
    let (mut from_client, to_client) = client.parts();
    let writer = input.then_some(running.streams.writer);
    let left = CancellationToken::new();
    let out = written(running.streams.reader, to_client, shape, &left);
    tokio::pin!(out);
    let ended = tokio::select! {
        ended = &mut out => Ok(ended),
        how = from_client.feed(writer, keys) => Err(how),
    };
    match ended {
        Ok((exit, to_client)) => {
            ending.ended(exit).await;
            if let Some(to_client) = to_client {
                close(from_client, to_client).await;
            }
        }
        Err(how) => {
            drop(from_client);
            if how == Left::Detached {
                ending.detached().await;
            }
            // Cancelling must not interrupt the reading of the shim's message.
            left.cancel();
            let (exit, to_client) = out.await;
            ending.ended(exit).await;
            if let Some(to_client) = to_client {
                end(to_client).await;
            }
        }
    }
}

/// Transfers a process's output to its client until the process ends. After the client has left,
/// the output is discarded, so that the process need not wait.
async fn written(
    mut reader: StreamReader,
    to_client: ToClient,
    shape: Shape,
    left: &CancellationToken,
) -> (Option<Exit>, Option<ToClient>) {
    let mut to_client = Some(to_client);
    loop {
        let come = {
            let next = reader.next();
            tokio::pin!(next);
            loop {
                tokio::select! {
                    come = &mut next => break come,
                    () = left.cancelled(), if to_client.is_some() => {
                        if let Some(to_client) = to_client.take() {
                            end(to_client).await;
                        }
                    }
                }
            }
        };
        match (come, &mut to_client) {
            (Ok(StreamItem::Output(stream, bytes)), Some(to_client)) => {
                if let Some(piece) = shape.framed(stream, &bytes) {
                    tokio::select! {
                        // A broken connection is noticed as a client that left.
                        _ = to_client.write_all(&piece) => {}
                        () = left.cancelled() => {}
                    }
                }
            }
            (Ok(StreamItem::Output(..)), None) => {}
            (Ok(StreamItem::Ended(exit)), _) => return (exit, to_client),
            (Err(_), _) => return (None, to_client),
        }
    }
}
