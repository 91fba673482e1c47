//! Where Docker's clients are listened for: the docker endpoint by TCP and mutual TLS, and a Unix
//! socket.
//!
//! The TCP socket is bound to the endpoint's address *and* link (`SO_BINDTODEVICE`): what comes in by
//! another link, even for that address, finds nobody. Without certificates nothing listens there: to
//! whom the API answers, to him the VCH belongs.

mod tls;

pub use tls::TlsError;

use crate::{
    api::door::Connection,
    chain::chain,
    config::{DockerEndpoint, Station},
    log_budget::LogBudget,
};
use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Most connections of Docker's clients at once, by both doors together: each `docker run`, `logs -f`
/// and `events` holds one or two.
pub const MAX_CONNECTIONS: usize = 1_024;
/// For a client to say who it is. Its cryptography takes its time on a machine on which twenty VMs boot at
/// once: 10 s were too short there.
const HANDSHAKE: Duration = Duration::from_secs(60);
/// For a request's head; a kept connection without one is closed then, too.
const HEAD: Duration = Duration::from_secs(300);
/// For answers that are under way when the coordinator stops.
const GRACE: Duration = Duration::from_secs(1);
const BACKLOG: u32 = 1_024;

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

/// The doors to the Docker API, open but not served yet.
pub struct Doors {
    tcp: Option<(TcpListener, TlsAcceptor)>,
    unix: Option<UnixListener>,
}

impl Doors {
    /// Listens where the configuration says.
    ///
    /// # Errors
    /// A door can't be opened; none is then.
    pub fn open(endpoint: &DockerEndpoint) -> Result<Self, DockerListenError> {
        let tcp = match &endpoint.tls {
            Some(files) => {
                let acceptor = tls::acceptor(files)?;
                Some((listen(&endpoint.station, endpoint.port)?, acceptor))
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

    /// Serves until `stop`, and gives what is under way then a moment to end.
    pub async fn serve(self, app: Router, stop: CancellationToken) {
        let house = House {
            app,
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            stop,
        };
        tokio::join!(
            async {
                if let Some((listener, acceptor)) = self.tcp {
                    house.serve_tcp(listener, acceptor).await;
                }
            },
            async {
                if let Some(listener) = self.unix {
                    house.serve_unix(listener).await;
                }
            },
        );
    }
}

fn listen(station: &Station, port: u16) -> Result<TcpListener, DockerListenError> {
    let address = SocketAddr::new(station.address, port);
    let bound = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind_device(Some(station.interface.as_str().as_bytes()))?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|source| DockerListenError::Tcp {
        address,
        interface: station.interface.to_string(),
        source,
    })
}

/// Mode 0660 and root's, as dockerd's. A socket that a dead coordinator left is replaced: the store's
/// lock has shown that it is dead.
fn listen_unix(path: &Path) -> Result<UnixListener, DockerListenError> {
    let bind = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
        Ok(listener)
    };
    bind().map_err(|source| DockerListenError::Unix {
        path: path.to_owned(),
        source,
    })
}

/// Lines about clients that were not let in: anybody who reaches the endpoint causes them.
static STRANGERS: LogBudget =
    LogBudget::new("clients that were not let in", 20, Duration::from_secs(10));

/// What both doors lead to.
struct House {
    app: Router,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl House {
    async fn serve_tcp(&self, listener: TcpListener, acceptor: TlsAcceptor) {
        let talk = |stream: TcpStream, place| {
            let (acceptor, app, stop) = (acceptor.clone(), self.app.clone(), self.stop.clone());
            async move {
                // A keystroke in `docker run -it` is a packet of its own; without this it waits.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a Docker client's connection is slow");
                }
                match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => serve(Connection::holding(place, stream), app, stop).await,
                    Ok(Err(error)) if STRANGERS.line() => {
                        tracing::warn!(error = chain(&error), "a Docker client was not let in");
                    }
                    Err(_) if STRANGERS.line() => {
                        tracing::warn!("a Docker client did not say who it is in time");
                    }
                    Ok(Err(_)) | Err(_) => {}
                }
            }
        };
        self.accept(listener, talk).await;
    }

    async fn serve_unix(&self, listener: UnixListener) {
        let talk = |stream: UnixStream, place| {
            let (app, stop) = (self.app.clone(), self.stop.clone());
            serve(Connection::holding(place, stream), app, stop)
        };
        self.accept(listener, talk).await;
    }

    /// Lets clients in while there is a place; who comes later waits in the kernel's queue.
    async fn accept<L: Listener, T>(
        &self,
        mut listener: L,
        talk: impl Fn(L::Io, OwnedSemaphorePermit) -> T,
    ) where
        T: Future<Output = ()> + Send + 'static,
    {
        let mut talks = JoinSet::new();
        loop {
            let next = async {
                let place = Arc::clone(&self.places).acquire_owned().await;
                // It logs what fails, and tries again.
                (place, listener.accept().await.0)
            };
            tokio::select! {
                () = self.stop.cancelled() => break,
                // Cancel-safe: what was not taken out is still there.
                Some(_) = talks.join_next() => {}
                (place, stream) = next => match place {
                    Ok(place) => drop(talks.spawn(talk(stream, place))),
                    // Not reached: nobody closes the semaphore.
                    Err(_) => break,
                },
            }
        }
        // What goes on after that is dropped, and so ended.
        let _ = timeout(GRACE, async { while talks.join_next().await.is_some() {} }).await;
    }
}

/// One client's requests. A connection that is taken over (`Upgrade: tcp`) leaves this with its place.
async fn serve<S>(stream: S, app: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .title_case_headers(true);
    let service = TowerToHyperService::new(app);
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
        tracing::debug!(error = chain(&error), "a Docker client's connection broke");
    }
}

#[cfg(test)]
mod tests;
