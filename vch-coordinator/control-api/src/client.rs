//! A client of the native API (the HTTP API on a Unix socket that `vchctl` uses), for `vchctl` and for tests.

use super::shape::Problem;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;
use tokio::net::UnixStream;

/// The maximum length of an answer in bytes: a list of some hundred thousand endpoints.
const MAX_ANSWER: usize = 256 << 20;

/// A client of the native API (the HTTP API on a Unix socket that `vchctl` uses) of one coordinator. Each call
/// opens a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// Why a call of the [`Client`] failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The client could not connect to the socket: no coordinator listens there, or the client's user may not open it.
    #[error(
        "cannot reach a coordinator at {}: start one with `vch-coordinator --config FILE`, or name its socket with --socket",
        socket.display()
    )]
    Unreachable {
        /// The path of the socket.
        socket: PathBuf,
        /// The error of the system when the client connected.
        #[source]
        source: io::Error,
    },
    /// The coordinator refused the request; the problem tells why and what to do.
    #[error("{}", .0.message)]
    Refused(Problem),
    /// The connection broke before the answer was complete.
    #[error("the coordinator's answer broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not the expected JSON, for example because the coordinator is of another release.
    #[error(
        "the coordinator's answer is not understood: are client and coordinator of one release?"
    )]
    Answer(#[source] serde_json::Error),
}

impl Client {
    /// Returns a client of the coordinator that listens at this Unix socket. Does not connect yet.
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self {
            socket: socket.as_ref().to_owned(),
        }
    }

    /// Sends a `GET` request for a path such as `/v1/networks`, with its query if it has one, and decodes the JSON of
    /// the answer as a `T`.
    ///
    /// # Errors
    /// Returns [`ClientError::Unreachable`] if no coordinator answers at the socket, [`ClientError::Refused`] if it
    /// refuses the request, [`ClientError::Broken`] if the connection breaks, and [`ClientError::Answer`] if the
    /// answer is not a `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    /// Sends a `POST` request with a JSON body, and decodes the JSON of the answer as a `T`.
    ///
    /// # Errors
    /// Returns the errors of [`Client::get`], and [`ClientError::Answer`] also if the body cannot be encoded as JSON.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(ClientError::Answer)?;
        self.call(Method::POST, path, body.into()).await
    }

    /// Sends a `DELETE` request without a body, and decodes the JSON of the answer as a `T`.
    ///
    /// # Errors
    /// Returns the errors of [`Client::get`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::DELETE, path, Bytes::new()).await
    }

    /// Sends a `PUT` request with a JSON body, and decodes the JSON of the answer as a `T`.
    ///
    /// # Errors
    /// Returns the errors of [`Client::get`], and [`ClientError::Answer`] also if the body cannot be encoded as JSON.
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(ClientError::Answer)?;
        self.call(Method::PUT, path, body.into()).await
    }

    /// Sends a `DELETE` request with a JSON body that names the objects to remove, and decodes the JSON of the answer
    /// as a `T`.
    ///
    /// # Errors
    /// Returns the errors of [`Client::get`], and [`ClientError::Answer`] also if the body cannot be encoded as JSON.
    pub async fn delete_with<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(ClientError::Answer)?;
        self.call(Method::DELETE, path, body.into()).await
    }

    /// Sends a `GET` request and passes each line of the answer to `tell` as it arrives, without its line break.
    /// Returns when the coordinator ends the answer.
    ///
    /// # Errors
    /// Returns [`ClientError::Unreachable`] if no coordinator answers at the socket, [`ClientError::Refused`] if it
    /// refuses the request, [`ClientError::Broken`] if the connection breaks, and [`ClientError::Answer`] if a
    /// refusal is not the expected JSON.
    pub async fn lines(&self, path: &str, tell: impl FnMut(&str)) -> Result<(), ClientError> {
        let stream = self.connect().await?;
        let lines = lines(stream, path, tell).await;
        match lines.map_err(ClientError::Broken)? {
            None => Ok(()),
            Some(bytes) => {
                let problem = serde_json::from_slice(&bytes).map_err(ClientError::Answer)?;
                Err(ClientError::Refused(problem))
            }
        }
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        let connected = UnixStream::connect(&self.socket).await;
        connected.map_err(|source| ClientError::Unreachable {
            socket: self.socket.clone(),
            source,
        })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let stream = self.connect().await?;
        let (status, bytes) = exchange(stream, method, path, body)
            .await
            .map_err(ClientError::Broken)?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(ClientError::Answer);
        }
        let problem = serde_json::from_slice(&bytes).map_err(ClientError::Answer)?;
        Err(ClientError::Refused(problem))
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn request(method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, BoxError> {
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("host", "vch")
        .header("content-type", "application/json");
    Ok(request.body(Full::new(body))?)
}

/// Passes each line of a successful answer to `tell`; returns the body of an unsuccessful one.
async fn lines(
    stream: UnixStream,
    path: &str,
    mut tell: impl FnMut(&str),
) -> Result<Option<Bytes>, BoxError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = request(Method::GET, path, Bytes::new())?;
    let conversation = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            let body = Limited::new(body, MAX_ANSWER);
            return Ok(Some(body.collect().await?.to_bytes()));
        }
        let mut begun = Vec::new();
        while let Some(frame) = body.frame().await {
            begun.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| data));
            while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = begun.drain(..=end).collect();
                tell(String::from_utf8_lossy(&line[..end]).as_ref());
            }
        }
        Ok(None)
    };
    let (answer, _) = tokio::join!(conversation, connection);
    answer
}

async fn exchange(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), BoxError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = request(method, path, body)?;
    // The connection transfers the bytes, and ends when the sender is dropped.
    let conversation = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let bytes = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await?
            .to_bytes();
        Ok((status, bytes))
    };
    let (answer, _) = tokio::join!(conversation, connection);
    answer
}
