//! The listeners of the Docker API: the Docker endpoint by TCP with mutual TLS, and a Unix socket.
//!
//! The TCP socket is bound to the endpoint's address *and* interface (`SO_BINDTODEVICE`): a packet that arrives on
//! another interface, even for that address, finds no listener. Without certificates the TCP listener does not
//! exist, since a client of this API controls the whole VCH.

use crate::raw::{MAX_HEAD, MAX_HEADERS, RawStarts};
use axum::Router;
use protocol::{spec::InterfaceName, transport::bind_unix};
use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio_util::sync::CancellationToken;
use vch_http::{Certificates, Head, Server, TlsError, TlsFiles};

/// The maximum number of connections of each listener (TCP and Unix socket) at once; further clients wait in the
/// kernel's queue. A `docker run`, `logs -f` or `events` holds one or two. A TCP client counts only after its TLS
/// handshake.
pub const MAX_CONNECTIONS: usize = 1_024;
const BACKLOG: u32 = 1_024;

/// Where the Docker API listens by TCP, from the coordinator's configuration.
#[derive(Clone, Copy, Debug)]
pub struct TcpEndpoint<'a> {
    /// The network interface that clients must arrive on.
    pub interface: &'a InterfaceName,
    /// The IP address to listen at, which the interface must have, and the TCP port.
    pub address: SocketAddr,
    /// The files of the server's certificate and key, and of the CA that signs clients' certificates.
    pub tls: &'a TlsFiles,
}

/// Why a listener of the Docker API cannot be opened.
#[derive(Debug, Error)]
pub enum DockerListenError {
    /// A file with the TCP listener's certificate or key, or with the clients' authority, cannot be read or used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The socket for TCP clients cannot be bound to its address and interface.
    #[error(
        "cannot listen on {address} of {interface}: free the port, or set another `docker_endpoint.port`"
    )]
    Tcp {
        /// The address and port.
        address: SocketAddr,
        /// The interface.
        interface: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The Unix socket, or the directory that it is in, cannot be made.
    #[error(
        "cannot listen on {}: set `docker_endpoint.socket` to a path in a folder that can be written",
        path.display()
    )]
    Unix {
        /// The path of the socket.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
}

/// The open listeners of the Docker API. Clients can connect, and are answered once [`Listeners::serve`] runs.
pub struct Listeners {
    tcp: Option<(TcpListener, Certificates)>,
    unix: Option<UnixListener>,
}

impl Listeners {
    /// Opens the listener for TCP with mutual TLS (`tcp`), and the Unix socket at the path `socket`; `None` leaves the
    /// listener out. The Unix socket gets mode 0660. Its directory is created if it is missing, and a socket that a
    /// crashed coordinator left is replaced.
    ///
    /// # Errors
    /// Returns [`DockerListenError`] if a certificate cannot be read or a listener cannot be opened. No listener is
    /// open then.
    pub fn open(
        tcp: Option<TcpEndpoint<'_>>,
        socket: Option<&Path>,
    ) -> Result<Self, DockerListenError> {
        let tcp = match tcp {
            Some(endpoint) => {
                let certificates = Certificates::read(endpoint.tls)?;
                Some((listen(endpoint)?, certificates))
            }
            None => {
                tracing::info!(
                    "the Docker API does not listen on TCP: set `docker_endpoint.tls` (`vchctl certs` creates the files)"
                );
                None
            }
        };
        let unix = socket.map(listen_unix).transpose()?;
        Ok(Self { tcp, unix })
    }

    /// Returns whether at least one listener is open; false if both were left out.
    pub fn are_open(&self) -> bool {
        self.tcp.is_some() || self.unix.is_some()
    }

    /// Returns the certificates that the TCP listener uses; `None` without a TCP listener. They are shared with the
    /// listener: after [`Certificates::reload`], its new connections use the new files.
    pub fn certificates(&self) -> Option<Certificates> {
        let (_, certificates) = self.tcp.as_ref()?;
        Some(certificates.clone())
    }

    /// Answers the requests of all listeners with `app`, the result of [`router`](crate::router), until `stop` is
    /// cancelled. Requests that are under way then get one second to complete.
    pub async fn serve(self, app: Router, stop: CancellationToken) {
        let head = Head {
            bytes: MAX_HEAD,
            headers: MAX_HEADERS,
            title_case: true,
        };
        let server = Server::<RawStarts>::new("Docker API", app, head, MAX_CONNECTIONS, stop);
        tokio::join!(
            async {
                if let Some((listener, certificates)) = self.tcp {
                    server.serve_tls(listener, certificates).await;
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

fn listen(endpoint: TcpEndpoint<'_>) -> Result<TcpListener, DockerListenError> {
    let address = endpoint.address;
    let bound = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind_device(Some(endpoint.interface.as_str().as_bytes()))?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|source| DockerListenError::Tcp {
        address,
        interface: endpoint.interface.to_string(),
        source,
    })
}

/// Opens a Unix socket with mode 0660, owned by root, as dockerd's. Replaces a socket that a
/// crashed coordinator left; the lock of the store guarantees that no other coordinator runs.
///
/// # Errors
/// Returns [`DockerListenError`] if the socket can't be bound.
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

#[cfg(test)]
mod tests;
