//! Where Docker's clients are listened for: the docker endpoint by TCP and mutual TLS, and a Unix
//! socket.
//!
//! The TCP socket is bound to the endpoint's address *and* link (`SO_BINDTODEVICE`): a packet that comes in by
//! another link, even for that address, finds no listener. Without certificates nothing listens there: a client of this
//! API controls the whole VCH.

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

/// Most connections of Docker's clients at once, by each listener: each `docker run`, `logs -f` and `events`
/// holds one or two. By TCP only those count that have shown a certificate.
pub const MAX_CONNECTIONS: usize = 1_024;
const BACKLOG: u32 = 1_024;

/// The docker endpoint: where clients by TCP find the VCH.
#[derive(Clone, Copy, Debug)]
pub struct TcpEndpoint<'a> {
    /// The link at which they come in.
    pub interface: &'a InterfaceName,
    /// An address of that link, and the port.
    pub address: SocketAddr,
    /// What lets them in.
    pub tls: &'a TlsFiles,
}

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
    /// Listens at an endpoint for clients by TCP, and at a Unix socket, as far as each is given.
    ///
    /// # Errors
    /// Returns [`DockerListenError`] if a certificate can't be read or a listener can't be opened; none is open then.
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
                    "the Docker API is not listened for by TCP: give `docker_endpoint.tls` (`vchctl certs` makes it)"
                );
                None
            }
        };
        let unix = socket.map(listen_unix).transpose()?;
        Ok(Self { tcp, unix })
    }

    /// Returns whether there is anything to serve.
    pub fn are_open(&self) -> bool {
        self.tcp.is_some() || self.unix.is_some()
    }

    /// Returns the certificates, which can be read again; `None` if no listener is open for TCP.
    pub fn certificates(&self) -> Option<Certificates> {
        let (_, certificates) = self.tcp.as_ref()?;
        Some(certificates.clone())
    }

    /// Serves until `stop`, and gives what is under way then a moment to end.
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

/// Listens at a Unix socket of mode 0660 and root's, as dockerd's. A socket that a dead coordinator left is replaced:
/// the store's lock has shown that it is dead.
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
