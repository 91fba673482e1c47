//! Connections that become raw streams (hijacked connections): attaching to a container and starting an exec.

use crate::raw::RawStart;
use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{
        HeaderValue, StatusCode,
        header::{CONNECTION, CONTENT_TYPE, UPGRADE},
        request::Parts,
    },
    response::Response,
};
use docker_model::DockerError;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    time::timeout,
};
use vch_http::Peer;
use vch_shim::StreamWriter;

use super::Keys;

/// The maximum number of bytes of a client's input that are read at once.
const READ: usize = 32 << 10;
/// How long a client that was told of the end may take to close.
const LINGER: Duration = Duration::from_secs(2);

/// The connection of a request that becomes a raw stream in both directions once the head of the response is sent
/// ([`Self::answer`]). An extractor for handlers.
pub struct Hijack {
    upgrade: OnUpgrade,
    /// Whether the client requested an upgrade.
    asked: bool,
    peer: Option<Peer>,
}

impl<S: Send + Sync> FromRequestParts<S> for Hijack {
    type Rejection = DockerError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, DockerError> {
        let upgrade = parts.extensions.remove().ok_or_else(|| {
            DockerError::invalid(
                "this takes the connection over: send it on a connection of its own, with `Connection: Upgrade` and `Upgrade: tcp`",
            )
        })?;
        Ok(Self {
            upgrade,
            asked: parts.extensions.remove::<RawStart>().is_none(),
            peer: parts.extensions.get().cloned(),
        })
    }
}

impl Hijack {
    /// Returns the response after which the connection is a raw stream: 101 for a client that requested an upgrade,
    /// otherwise 200. `kind` is the content type of the output.
    pub fn answer(&self, kind: HeaderValue) -> Response {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        if self.asked {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
            headers.insert(CONTENT_TYPE, kind);
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        } else {
            // dockerd sends this type to such clients in any case.
            let raw = HeaderValue::from_static("application/vnd.docker.raw-stream");
            headers.insert(CONTENT_TYPE, raw);
        }
        response
    }

    /// Takes the connection over, once the client has read the response's head; `None` if the
    /// client has gone.
    ///
    /// Bytes that are sent before the head was read may be lost in the client: Python's client reads the head
    /// through a buffer, which also takes bytes after the head, and then continues with the socket.
    pub async fn taken(self) -> Option<Taken> {
        let upgraded = self.upgrade.await.ok()?;
        if let Some(peer) = &self.peer {
            peer.has_read().await;
        }
        let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
        Some(Taken {
            reader,
            writer,
            peer: self.peer,
        })
    }
}

/// A connection that has become a raw stream.
pub struct Taken {
    reader: ReadHalf<TokioIo<Upgraded>>,
    writer: WriteHalf<TokioIo<Upgraded>>,
    peer: Option<Peer>,
}

/// Why the input of a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The client detached by its keys.
    Detached,
    /// The client's connection is closed or broken.
    Gone,
}

impl Taken {
    /// Splits the connection into the client's input and the output to the client.
    pub fn parts(self) -> (FromClient, ToClient) {
        let from_client = FromClient {
            reader: self.reader,
            presence: Presence(self.peer),
        };
        (from_client, self.writer)
    }
}

#[cfg(test)]
impl Taken {
    /// Splits the connection into its two directions.
    pub fn halves(self) -> (ReadHalf<TokioIo<Upgraded>>, ToClient) {
        (self.reader, self.writer)
    }
}

/// The output to a client on a raw stream.
pub type ToClient = WriteHalf<TokioIo<Upgraded>>;

/// The input from a client on a raw stream.
pub struct FromClient {
    reader: ReadHalf<TokioIo<Upgraded>>,
    presence: Presence,
}

/// Tells whether a client is still connected, without reading its input.
#[derive(Clone)]
pub struct Presence(Option<Peer>);

impl Presence {
    /// Waits until the client has left. Never returns for a connection whose state cannot be observed.
    pub async fn gone(&self) {
        match &self.0 {
            Some(peer) => peer.gone().await,
            None => std::future::pending().await,
        }
    }
}

impl FromClient {
    /// Returns a value that tells whether the client is still connected.
    pub fn presence(&self) -> Presence {
        self.presence.clone()
    }

    /// Transfers the client's input to `input` until the client leaves, and returns how it left. `None` discards
    /// the input. A client that closed only its sending side has not left: it still receives output.
    pub async fn feed(&mut self, input: Option<StreamWriter>, keys: Keys) -> Left {
        tokio::select! {
            left = read(&mut self.reader, input, keys) => left,
            () = self.presence.gone() => Left::Gone,
        }
    }
}

async fn read(
    reader: &mut ReadHalf<TokioIo<Upgraded>>,
    mut input: Option<StreamWriter>,
    mut keys: Keys,
) -> Left {
    let mut buffer = vec![0; READ];
    loop {
        let count = match reader.read(&mut buffer).await {
            Ok(0) => break,
            Ok(count) => count,
            Err(_) => return Left::Gone,
        };
        let (bytes, detached) = keys.pass(&buffer[..count]);
        if let Some(writer) = &mut input
            && !bytes.is_empty()
            && writer.write(&bytes).await.is_err()
        {
            // The container has ended, which its output shows.
            input = None;
        }
        if detached {
            return Left::Detached;
        }
    }
    if let Some(mut writer) = input {
        // Writing fails only if the process has ended.
        let _ = writer.write(&[]).await;
    }
    std::future::pending().await
}

/// Closes a raw stream while the client may still send, without losing output. A socket that is closed with unread
/// input answers with a reset (tcp(7)), for which the client may miss output that is under way. So the output is
/// closed first, then input is read and discarded until the client closes too, for two seconds at most.
pub async fn close(mut from_client: FromClient, to_client: ToClient) {
    end(to_client).await;
    let mut buffer = vec![0; READ];
    let closed = async { while let Ok(1..) = from_client.reader.read(&mut buffer).await {} };
    // A client that does not close is left behind.
    let _ = timeout(LINGER, closed).await;
}

/// Closes the output to a client. Errors are ignored: the client may have left.
pub async fn end(mut writer: ToClient) {
    // A client that has gone does not notice it.
    let _ = writer.shutdown().await;
}
