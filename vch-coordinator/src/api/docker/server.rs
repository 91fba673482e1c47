//! Where Docker's clients are listened for: the docker endpoint by TCP and mutual TLS, and a Unix
//! socket.
//!
//! The TCP socket is bound to the endpoint's address *and* link (`SO_BINDTODEVICE`): what comes in by
//! another link, even for that address, finds nobody. Without certificates nothing listens there: to
//! whom the API answers, to him the VCH belongs.

mod handshakes;
mod raw;
mod socket;
mod tls;

pub use raw::RawStart;
pub use socket::Peer;
pub use tls::{Certificates, TlsError};

use crate::{
    api::limiter::Connection,
    config::{DockerEndpoint, HostInterface},
    error_chain::error_chain,
    log_budget::LogBudget,
};
use axum::Router;
use handshakes::{Handshakes, NotAdmitted};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use protocol::transport::bind_unix;
use raw::RawStarts;
use socket::Socket;
use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Most connections of Docker's clients at once, by each listener: each `docker run`, `logs -f` and `events`
/// holds one or two. By TCP only those count that have shown a certificate.
pub const MAX_CONNECTIONS: usize = 1_024;
/// For a request's head; a kept connection without one is closed then, too.
const HEAD: Duration = Duration::from_secs(300);
/// For answers that are under way when the coordinator stops.
const GRACE: Duration = Duration::from_secs(1);
const BACKLOG: u32 = 1_024;
/// Before the next try where no descriptor is free.
const EXHAUSTED: Duration = Duration::from_secs(1);
/// How often the certificates' ends are looked at.
const CERTIFICATES: Duration = Duration::from_secs(86_400);

/// Why Docker's clients are not listened for.
#[derive(Debug, Error)]
pub enum DockerListenError {
    /// The certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The endpoint's address and link.
    #[error(
        "cannot listen on {address} of {interface}: free the port, or set another `docker_endpoint.port`"
    )]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The link.
        interface: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The Unix socket.
    #[error(
        "cannot listen on {}: set `docker_endpoint.socket` to a path in a folder that can be written",
        path.display()
    )]
    Unix {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The listeners of the Docker API, open but not served yet.
pub struct Listeners {
    tcp: Option<(TcpListener, Certificates)>,
    unix: Option<UnixListener>,
}

impl Listeners {
    /// Listens where the configuration says.
    ///
    /// # Errors
    /// If a listener can't be opened; none is then.
    pub fn open(endpoint: &DockerEndpoint) -> Result<Self, DockerListenError> {
        let tcp = match &endpoint.tls {
            Some(files) => {
                let certificates = Certificates::read(files)?;
                Some((
                    listen(&endpoint.host_interface, endpoint.port)?,
                    certificates,
                ))
            }
            None => {
                tracing::info!(
                    "the Docker API is not listened for by TCP: give `docker_endpoint.tls` (`vchctl certs` makes it)"
                );
                None
            }
        };
        let unix = endpoint.socket.as_deref().map(listen_unix).transpose()?;
        Ok(Self { tcp, unix })
    }

    /// Whether there is anything to serve.
    pub fn are_open(&self) -> bool {
        self.tcp.is_some() || self.unix.is_some()
    }

    /// The certificates, which can be read again; `None` where no TCP is listened for.
    pub fn certificates(&self) -> Option<Certificates> {
        let (_, certificates) = self.tcp.as_ref()?;
        Some(certificates.clone())
    }

    /// Serves until `stop`, and gives what is under way then a moment to end.
    pub async fn serve(self, app: Router, stop: CancellationToken) {
        let server = Server { app, stop };
        tokio::join!(
            async {
                if let Some((listener, certificates)) = self.tcp {
                    let looking = server.stop.child_token();
                    let snapshot = look_at(certificates.clone());
                    tokio::join!(
                        server.serve_tcp(listener, certificates),
                        looking.run_until_cancelled(snapshot),
                    );
                }
            },
            async {
                if let Some(listener) = self.unix {
                    server.serve_unix(listener).await;
                }
            },
        );
    }
}

/// Warns each day of certificates that end.
async fn look_at(certificates: Certificates) {
    loop {
        tokio::time::sleep(CERTIFICATES).await;
        certificates.warn();
    }
}

fn listen(host_interface: &HostInterface, port: u16) -> Result<TcpListener, DockerListenError> {
    let address = SocketAddr::new(host_interface.address, port);
    let bound = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind_device(Some(host_interface.interface.as_str().as_bytes()))?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|source| DockerListenError::Tcp {
        address,
        interface: host_interface.interface.to_string(),
        source,
    })
}

/// Mode 0660 and root's, as dockerd's. A socket that a dead coordinator left is replaced: the store's
/// lock has shown that it is dead.
fn listen_unix(path: &Path) -> Result<UnixListener, DockerListenError> {
    let bind = || {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        UnixListener::from_std(bind_unix(path, 0o660)?)
    };
    bind().map_err(|source| DockerListenError::Unix {
        path: path.to_owned(),
        source,
    })
}

/// Lines about clients that were not let in: any host that reaches the endpoint causes them.
static STRANGERS: LogBudget =
    LogBudget::new("clients that were not let in", 20, Duration::from_secs(10));

/// What both listeners lead to.
struct Server {
    app: Router,
    stop: CancellationToken,
}

/// What a client of the TCP listener needs to be let in; clones share it.
#[derive(Clone)]
struct Entrance {
    certificates: Certificates,
    handshakes: Handshakes,
    permits: Arc<Semaphore>,
    app: Router,
    stop: CancellationToken,
}

impl Entrance {
    /// From the first packet to the last.
    async fn serve(self, stream: TcpStream, from: SocketAddr) {
        let Some((connection, peer)) = self.let_in(stream, from).await else {
            return;
        };
        serve(connection, peer, self.app, self.stop).await;
    }

    /// `None` for one that has shown no certificate.
    async fn let_in(
        &self,
        stream: TcpStream,
        from: SocketAddr,
    ) -> Option<(
        Connection<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>,
        Peer,
    )> {
        let socket = Socket::tcp(stream).map_err(|error| self.not(from, &error.to_string()));
        let socket = socket.ok()?;
        let peer = socket.peer();
        let admitted = self.handshakes.admit(from.ip()).await;
        let admitted = admitted.map_err(|why| match why {
            NotAdmitted::Crowded => {
                self.not(from, "too many clients have not said yet who they are");
            }
            NotAdmitted::Timeout => self.not(from, "other handshakes took too long"),
        });
        let admitted = admitted.ok()?;
        let handshake = self.certificates.acceptor().accept(socket);
        let stream = match admitted.within(handshake).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                self.not(from, &error_chain(&error));
                return None;
            }
            None => {
                self.not(from, "it did not say in time who it is");
                return None;
            }
        };
        // The semaphore is never closed.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some((Connection::holding(permit, stream), peer))
    }

    fn not(&self, from: SocketAddr, why: &str) {
        if STRANGERS.line() {
            tracing::warn!(%from, why, "a Docker client was not let in");
        } else {
            tracing::debug!(%from, why, "a Docker client was not let in");
        }
    }
}

impl Server {
    async fn serve_tcp(&self, listener: TcpListener, certificates: Certificates) {
        let entrance = Entrance {
            certificates,
            handshakes: Handshakes::default(),
            permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            app: self.app.clone(),
            stop: self.stop.clone(),
        };
        // Each is accepted at once: `Entrance` bounds how many wait.
        let next = || accepted(|| listener.accept());
        let talk = |(stream, from)| entrance.clone().serve(stream, from);
        self.accept(next, talk).await;
    }

    async fn serve_unix(&self, listener: UnixListener) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let next = || async {
            let permit = permit(&permits).await;
            (permit, accepted(|| listener.accept()).await.0)
        };
        let talk = |(permit, stream)| {
            let (socket, app, stop) = (Socket::from(stream), self.app.clone(), self.stop.clone());
            let peer = socket.peer();
            serve(Connection::holding(permit, socket), peer, app, stop)
        };
        self.accept(next, talk).await;
    }

    /// Lets clients in as they come, until the stop.
    async fn accept<C, N, T>(&self, next: impl Fn() -> N, talk: impl Fn(C) -> T)
    where
        N: Future<Output = C>,
        T: Future<Output = ()> + Send + 'static,
    {
        let mut talks = JoinSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                // Cancel-safe: what was not taken out is still there.
                Some(_) = talks.join_next() => {}
                // Cancel-safe: a permit that was acquired goes back, no client is accepted before its end.
                client = next() => drop(talks.spawn(talk(client))),
            }
        }
        // What goes on after that is dropped, and so ended.
        let _ = timeout(GRACE, async { while talks.join_next().await.is_some() {} }).await;
    }
}

/// The next client. What fails is logged, and tried again: no descriptor is free until a client goes.
async fn accepted<T, A>(accept: impl Fn() -> A) -> T
where
    A: Future<Output = io::Result<T>>,
{
    loop {
        match accept().await {
            Ok(client) => return client,
            // It has gone again.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "no Docker client can be accepted");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// A client that comes while no permit is free waits in the kernel's queue.
async fn permit(permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
        return permit;
    }
    tracing::warn!("the Docker API's Unix socket has as many connections as it takes: others wait");
    match Arc::clone(permits).acquire_owned().await {
        Ok(permit) => permit,
        // Not reached: the semaphore is never closed.
        Err(_) => std::future::pending().await,
    }
}

/// One client's requests. A connection that is taken over (`Upgrade: tcp`) leaves this with its permit.
async fn serve<S>(connection: Connection<S>, peer: Peer, app: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_header_size(raw::MAX_HEAD)
        .max_headers(raw::MAX_HEADERS)
        .max_buf_size(2 * raw::MAX_HEAD)
        .title_case_headers(true);
    let app = app.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request
    });
    let service = TowerToHyperService::new(app);
    let stream = connection.through(RawStarts::default());
    let talk = http.serve_connection(TokioIo::new(stream), service);
    let mut talk = std::pin::pin!(talk.with_upgrades());
    let ended = tokio::select! {
        ended = talk.as_mut() => ended,
        () = stop.cancelled() => {
            talk.as_mut().graceful_shutdown();
            talk.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(
            error = error_chain(&error),
            "a Docker client's connection broke"
        );
    }
}

#[cfg(test)]
mod tests;
