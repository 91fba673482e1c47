//! The listener for readers of the metrics: serves `GET /metrics`, and nothing else.
//!
//! A connection serves one request. The number of connections, their time and the size of a request are limited, so
//! that a slow or hostile client costs little. While the maximum number of connections is open, others wait in the
//! kernel's queue.

use crate::config::MetricsEndpoint;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use protocol::{spec::InterfaceName, transport::bind_unix};
use std::{fmt, fs, io, net::SocketAddr, path::Path, time::Duration};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio_util::sync::CancellationToken;
use vch_http::{Head, Server, Unchanged};
use vch_log::error_chain;
use vch_metrics::Registry;

/// The maximum number of concurrent connections of readers of the metrics: for a few Prometheus servers, and a person.
/// Further ones wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 16;
/// For a connection, from its first byte to its last: Prometheus waits for 10 s unless it is told otherwise, so that a
/// scrape is answered in time although silent clients came first.
const DEADLINE: Duration = Duration::from_secs(5);
/// Of a request; Prometheus sends some hundred bytes.
const HEAD: Head = Head {
    bytes: 8 << 10,
    headers: 64,
    title_case: false,
};
const BACKLOG: u32 = 16;

/// The error of a listener for readers of the metrics that cannot be opened. The message has its address or path, the
/// source the error of the system.
#[derive(Debug, Error)]
#[error("cannot listen for readers of metrics at {at}: free it, or set another `metrics.listen`")]
pub struct MetricsListenError {
    at: String,
    #[source]
    source: io::Error,
}

/// The open listener for readers of the metrics. [`MetricsListener::serve`] serves it.
#[derive(Debug)]
pub enum MetricsListener {
    /// The listener on a TCP port.
    Tcp(TcpListener),
    /// The listener on a Unix socket.
    Unix(UnixListener),
}

impl MetricsListener {
    /// Opens the listener at the configured address or Unix socket. The socket gets mode 0600, and replaces one that a
    /// former coordinator left: the lock on the store shows that no other coordinator runs.
    ///
    /// # Errors
    /// Returns [`MetricsListenError`] if the address or the path of the socket cannot be bound.
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

    /// Serves the metrics of the registry until `stop` is cancelled. Requests in progress then get a moment to
    /// complete.
    pub async fn serve(self, registry: Registry, stop: CancellationToken) {
        let server: Server<Unchanged> =
            Server::new("metrics", routes(registry), HEAD, MAX_CONNECTIONS, stop);
        let server = server.one_request_each(DEADLINE);
        match self {
            Self::Tcp(listener) => server.serve_tcp(listener).await,
            Self::Unix(listener) => server.serve_unix(listener).await,
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

fn routes(registry: Registry) -> Router {
    Router::new()
        .route("/metrics", get(read))
        .fallback(async || (StatusCode::NOT_FOUND, "metrics are at /metrics\n"))
        .method_not_allowed_fallback(async || {
            let said = "metrics are read by GET or HEAD\n";
            (StatusCode::METHOD_NOT_ALLOWED, said)
        })
        .with_state(registry)
}

async fn read(State(registry): State<Registry>) -> Response {
    match registry.text() {
        Ok(text) => ([(CONTENT_TYPE, vch_metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(error = error_chain(&error), "metrics");
            let said = "the metrics cannot be written: see the coordinator's log\n";
            (StatusCode::INTERNAL_SERVER_ERROR, said).into_response()
        }
    }
}

#[cfg(test)]
mod tests;
