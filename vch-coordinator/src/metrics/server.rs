//! The listener for readers of metrics: `GET /metrics`, and nothing else.
//!
//! One connection is one request. Connections, their time and their heads are bounded, so that a client that is slow or
//! hostile costs little; while as many are open as may be, others wait in the kernel's queue.

use crate::config::MetricsEndpoint;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::{spec::InterfaceName, transport::bind_unix};
use std::{
    convert::Infallible, fmt, fs, io, net::SocketAddr, path::Path, sync::Arc, time::Duration,
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tokio_util::{either::Either, sync::CancellationToken};
use vch_log::error_chain;
use vch_metrics::Registry;

/// Most connections at once: a few servers that scrape, and a person.
pub const MAX_CONNECTIONS: usize = 16;
/// The one path.
const PATH: &str = "/metrics";
const METHODS: &str = "GET, HEAD";
/// For a request's head.
const HEAD: Duration = Duration::from_secs(5);
/// From a connection's first byte to its last: Prometheus gives up after 10 s unless it is told otherwise.
const WHOLE: Duration = Duration::from_secs(10);
/// Bytes of a request's head; Prometheus sends some hundred.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
const BACKLOG: u32 = 16;
/// Before the next try where no descriptor is free.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// Why metrics are not listened for.
#[derive(Debug, Error)]
#[error("cannot listen for readers of metrics at {at}: free it, or set another `metrics.listen`")]
pub struct MetricsListenError {
    at: String,
    #[source]
    source: io::Error,
}

/// The listener, open but not served yet.
#[derive(Debug)]
pub enum MetricsListener {
    /// By TCP.
    Tcp(TcpListener),
    /// At a Unix socket.
    Unix(UnixListener),
}

impl MetricsListener {
    /// Listens where the configuration says. A Unix socket has mode 0600; one that a dead coordinator left is replaced:
    /// the store's lock has shown that it is dead.
    ///
    /// # Errors
    /// [`MetricsListenError`].
    pub fn open(endpoint: &MetricsEndpoint) -> Result<Self, MetricsListenError> {
        let (at, opened): (&dyn fmt::Display, _) = match endpoint {
            MetricsEndpoint::Tcp { address, interface } => {
                let listener = listen(*address, interface.as_ref());
                (address, listener.map(Self::Tcp))
            }
            MetricsEndpoint::Unix(path) => (&path.display(), listen_unix(path).map(Self::Unix)),
        };
        opened.map_err(|source| MetricsListenError {
            at: at.to_string(),
            source,
        })
    }

    async fn accept(&self) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
        match self {
            Self::Tcp(listener) => Ok(Either::Left(listener.accept().await?.0)),
            Self::Unix(listener) => Ok(Either::Right(listener.accept().await?.0)),
        }
    }

    /// Serves until `stop`; a connection that is open then is closed.
    pub async fn serve(self, registry: Registry, stop: CancellationToken) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut readers = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                // Cancel-safe: what was not taken out is still there.
                Some(_) = readers.join_next() => {}
                // Cancel-safe: a permit that was acquired goes back, no client is accepted before its end.
                (permit, stream) = self.next(&permits) => {
                    readers.spawn(talk(stream, permit, registry.clone()));
                }
            }
        }
        readers.shutdown().await;
    }

    /// The next client, once one may be let in.
    async fn next(
        &self,
        permits: &Arc<Semaphore>,
    ) -> (
        Option<OwnedSemaphorePermit>,
        impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        // The semaphore is never closed.
        let permit = Arc::clone(permits).acquire_owned().await.ok();
        loop {
            match self.accept().await {
                Ok(stream) => return (permit, stream),
                // It has gone again.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "no reader of metrics can be accepted");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }
}

fn listen(address: SocketAddr, interface: Option<&InterfaceName>) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_str().as_bytes()))?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn listen_unix(path: &Path) -> io::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    UnixListener::from_std(bind_unix(path, 0o600)?)
}

/// One client's request, and its answer; the permit goes back at the end.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    _permit: Option<OwnedSemaphorePermit>,
    registry: Registry,
) {
    let answer = service_fn(|request: Request<_>| {
        let answer = answer(request.method(), request.uri().path(), &registry);
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD);
    match timeout(WHOLE, http.serve_connection(TokioIo::new(stream), answer)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(error = error_chain(&error), "a reader of metrics"),
        Err(_) => tracing::debug!("a reader of metrics took too long"),
    }
}

fn answer(method: &Method, path: &str, registry: &Registry) -> Response<Full<Bytes>> {
    if path != PATH {
        return plain(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if method != Method::GET && method != Method::HEAD {
        let mut refused = plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "metrics are read by GET or HEAD\n",
        );
        let methods = hyper::header::HeaderValue::from_static(METHODS);
        refused.headers_mut().insert(ALLOW, methods);
        return refused;
    }
    match registry.text() {
        Ok(text) => typed(StatusCode::OK, vch_metrics::CONTENT_TYPE, text),
        Err(error) => {
            tracing::error!(error = error_chain(&error), "metrics");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            plain(
                status,
                "the metrics cannot be written: see the coordinator's log\n",
            )
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", text)
}

fn typed(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    let content_type = hyper::header::HeaderValue::from_static(content_type);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

#[cfg(test)]
mod tests;
