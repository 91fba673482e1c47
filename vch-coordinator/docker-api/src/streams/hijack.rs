//! A connection that becomes a raw stream: `attach` and the start of an exec.

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

/// Bytes of a client's input that are read at once.
const READ: usize = 32 << 10;
/// How long a client that was told of the end may take to close.
const LINGER: Duration = Duration::from_secs(2);

/// A request whose connection can be taken over.
pub struct Hijack {
    upgrade: OnUpgrade,
    /// Whether the client asked for an upgrade; others are answered without one.
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
    /// The answer behind which bytes go both ways: 101, or 200 for a client that did not ask.
    pub fn answer(&self, kind: HeaderValue) -> Response {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        if self.asked {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
            headers.insert(CONTENT_TYPE, kind);
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        } else {
            // dockerd says so to these clients whatever follows.
            let raw = HeaderValue::from_static("application/vnd.docker.raw-stream");
            headers.insert(CONTENT_TYPE, raw);
        }
        response
    }

    /// Both directions, once the client has read the answer's head; `None` if it has gone.
    ///
    /// What is sent behind a head that was not read yet may be lost at the client: Python's reads the
    /// head by a buffer, which takes more than the head if more is there, and then goes on at the socket.
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

/// A connection that was taken over.
pub struct Taken {
    reader: ReadHalf<TokioIo<Upgraded>>,
    writer: WriteHalf<TokioIo<Upgraded>>,
    peer: Option<Peer>,
}

/// Why a client's input is not read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// By its keys.
    Detached,
    /// Its connection is closed or broken.
    Gone,
}

impl Taken {
    /// Its parts: what comes from the client, what goes to it, and whether it is there.
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
    /// Its two directions.
    pub fn halves(self) -> (ReadHalf<TokioIo<Upgraded>>, ToClient) {
        (self.reader, self.writer)
    }
}

/// What goes to a client.
pub type ToClient = WriteHalf<TokioIo<Upgraded>>;

/// What comes from a client.
pub struct FromClient {
    reader: ReadHalf<TokioIo<Upgraded>>,
    presence: Presence,
}

/// Whether a client is there, which is looked at without reading.
#[derive(Clone)]
pub struct Presence(Option<Peer>);

impl Presence {
    /// Resolves when the client has gone.
    pub async fn gone(&self) {
        match &self.0 {
            Some(peer) => peer.gone().await,
            None => std::future::pending().await,
        }
    }
}

impl FromClient {
    /// Whether it is there.
    pub fn presence(&self) -> Presence {
        self.presence.clone()
    }

    /// Carries the client's input on until the client leaves. One that has said all goes on listening.
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
            // The container has ended: its output says so.
            input = None;
        }
        if detached {
            return Left::Detached;
        }
    }
    if let Some(mut writer) = input {
        // It has ended then.
        let _ = writer.write(&[]).await;
    }
    std::future::pending().await
}

/// Ends the stream of a client that may still send, and lets it read all of it: a socket that is closed while input
/// waits in it answers by a reset, for which a client may miss output that is under way (tcp(7); unix(7) has
/// `ECONNRESET` for it). So the input is read and dropped until the client closes, too, or has had its time.
pub async fn close(mut from_client: FromClient, to_client: ToClient) {
    end(to_client).await;
    let mut buffer = vec![0; READ];
    let closed = async { while let Ok(1..) = from_client.reader.read(&mut buffer).await {} };
    // A client that does not close is left behind.
    let _ = timeout(LINGER, closed).await;
}

/// Says that nothing more comes.
pub async fn end(mut writer: ToClient) {
    // A client that has gone does not hear it.
    let _ = writer.shutdown().await;
}
