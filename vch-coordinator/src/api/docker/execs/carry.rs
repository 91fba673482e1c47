//! What a process beside a container's own writes and reads, by a client's connection, up to its end.

use super::{
    super::{
        Docker, DockerError,
        streams::{Hijack, Keys, Shape, feed},
    },
    register::Stage,
};
use axum::{
    http::HeaderValue,
    response::{IntoResponse, Response},
};
use protocol::process::{Exit, Output};
use tokio::io::AsyncWriteExt;
use vch_shim::{Client, Come, Running, StreamReader};

/// A connection that was taken over hears why nothing came of it as output, as from dockerd.
pub async fn explained(hijack: Hijack, refused: DockerError, shape: Shape) {
    let Some((_, mut to_client)) = hijack.taken().await else {
        return;
    };
    let line = format!("{}\r\n", refused.message);
    if let Some(piece) = shape.framed(Output::Stdout, line.as_bytes()) {
        // A client that has gone reads nothing.
        let _ = to_client.write_all(&piece).await;
    }
    let _ = to_client.shutdown().await;
}

/// Keeps how a process ended.
pub struct Ending {
    pub docker: Docker,
    pub exec: String,
    pub client: Client,
}

impl Ending {
    async fn ended(&self, exit: Option<Exit>) {
        let code = exit.map_or(137, |exit| i64::from(exit.code));
        self.docker.execs.set(&self.exec, Stage::Ended(code));
        let Ok(one) = self.docker.execs.get(&self.exec) else {
            return;
        };
        let known = [
            ("execID", self.exec.clone()),
            ("exitCode", code.to_string()),
        ];
        self.docker
            .runtime
            .tell(one.container, "exec_die", &known)
            .await;
    }
}

/// Nobody reads it: it runs on.
pub async fn drained(ending: Ending, mut running: Running) {
    let exit = unread(&mut running.streams.reader).await;
    ending.ended(exit).await;
}

/// Up to its end; what it writes goes nowhere.
async fn unread(reader: &mut StreamReader) -> Option<Exit> {
    loop {
        match reader.next().await {
            Ok(Come::Output(..)) => {}
            Ok(Come::Ended(exit)) => return exit,
            Err(_) => return None,
        }
    }
}

/// A client that takes the whole output as an answer.
pub async fn whole(
    ending: Ending,
    mut running: Running,
    shape: Shape,
    kind: HeaderValue,
) -> Response {
    use futures_util::stream;
    let state = Some((ending, running.streams.reader));
    drop(running.streams.writer.write(&[]).await);
    let body = stream::unfold(state, move |state| async move {
        let (ending, mut reader) = state?;
        match reader.next().await {
            Ok(Come::Output(stream, bytes)) => {
                let piece = shape.framed(stream, &bytes).unwrap_or_default();
                let piece = axum::body::Bytes::from(piece);
                Some((
                    Ok::<_, std::convert::Infallible>(piece),
                    Some((ending, reader)),
                ))
            }
            Ok(Come::Ended(exit)) => {
                ending.ended(exit).await;
                None
            }
            Err(_) => {
                ending.ended(None).await;
                None
            }
        }
    });
    let mut response = axum::body::Body::from_stream(body).into_response();
    response
        .headers_mut()
        .insert(axum::http::header::CONTENT_TYPE, kind);
    response
}

/// A client's connection, up to the process's end; one that goes leaves the process running.
pub async fn carried(
    ending: Ending,
    running: Running,
    hijack: Hijack,
    shape: Shape,
    (input, keys): (bool, Keys),
) {
    let Some((from_client, mut to_client)) = hijack.taken().await else {
        return drained(ending, running).await;
    };
    let mut reader = running.streams.reader;
    let writer = input.then_some(running.streams.writer);
    let out = async {
        loop {
            match reader.next().await {
                Ok(Come::Output(stream, bytes)) => {
                    // A client that has gone is no reason for the process to wait.
                    if let Some(piece) = shape.framed(stream, &bytes) {
                        let _ = to_client.write_all(&piece).await;
                    }
                }
                Ok(Come::Ended(exit)) => return exit,
                Err(_) => return None,
            }
        }
    };
    let exit = tokio::select! {
        exit = out => Some(exit),
        () = feed(from_client, writer, keys) => None,
    };
    match exit {
        Some(exit) => {
            ending.ended(exit).await;
            let _ = to_client.shutdown().await;
        }
        // It left by its keys: what is written from now on goes nowhere.
        None => {
            let _ = to_client.shutdown().await;
            let exit = unread(&mut reader).await;
            ending.ended(exit).await;
        }
    }
    drop(ending.client);
}
