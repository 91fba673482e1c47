//! Serves an API's routes to the clients of listening sockets.

use crate::{
    Certificates, Connection, Filter, Unchanged,
    handshakes::{Handshakes, NotAdmitted},
    socket::{Peer, Socket},
};
use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, marker::PhantomData, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use vch_log::{LogBudget, error_chain};

/// The maximum time for a request's head. A connection that is kept open without a request is
/// closed after this time, too.
const HEAD_DEADLINE: Duration = Duration::from_secs(300);
/// How long responses that are under way at the stop may take to complete.
const GRACE: Duration = Duration::from_secs(1);
/// The pause before accepting again when the process is out of file descriptors.
const EXHAUSTED: Duration = Duration::from_secs(1);
/// The interval at which the certificates' expiry dates are checked.
const CERTIFICATES: Duration = Duration::from_secs(86_400);

/// The budget of log lines about refused clients, which any host that reaches the listener can
/// cause.
static REFUSED: LogBudget =
    LogBudget::new("clients that were refused", 20, Duration::from_secs(10));

/// The limits for the head (request line and headers) of each request, and the style of responses' headers. A request
/// beyond a limit gets the response 431 (Request Header Fields Too Large).
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The greatest size of a request's head in bytes.
    pub bytes: usize,
    /// The greatest number of headers in a request.
    pub headers: usize,
    /// Whether header names of responses are written in title case (`Content-Type`) instead of
    /// lower case (`content-type`).
    pub title_case: bool,
}

/// Serves one API on any number of listening sockets. The bytes that each client sends pass through a [`Filter`] of
/// type `F`, made by `F::default()` for the connection; by default it is [`Unchanged`]. Clones share the routes and the
/// signal to stop.
pub struct Server<F = Unchanged> {
    api: &'static str,
    app: Router,
    head: Head,
    /// The maximum number of connections of each listener at once.
    limit: usize,
    /// How long a connection may last, which then carries one request; `None` for no bound.
    connection_deadline: Option<Duration>,
    stop: CancellationToken,
    filter: PhantomData<fn() -> F>,
}

impl<F> Clone for Server<F> {
    fn clone(&self) -> Self {
        Self {
            app: self.app.clone(),
            stop: self.stop.clone(),
            ..*self
        }
    }
}

impl<F: Filter + Default + Send + 'static> Server<F> {
    /// Creates a server for the routes `app`, which accepts no client before one of its `serve` methods is called.
    /// `api` is the API's name in the log, and `head` limits each request's head. Each listening socket serves at most
    /// `limit` connections at once; further clients wait. When `stop` is cancelled, the `serve` methods return.
    pub fn new(
        api: &'static str,
        app: Router,
        head: Head,
        limit: usize,
        stop: CancellationToken,
    ) -> Self {
        Self {
            api,
            app,
            head,
            limit,
            connection_deadline: None,
            stop,
            filter: PhantomData,
        }
    }

    /// Returns the same server, but with one request for each connection, instead of any number. A connection is closed
    /// `deadline` after its start (with TLS, after the handshake), even if its request or response is not complete.
    #[must_use]
    pub fn one_request_each(self, deadline: Duration) -> Self {
        Self {
            connection_deadline: Some(deadline),
            ..self
        }
    }

    /// Serves TCP clients without TLS, and returns after the server is stopped. Only for content that is not secret on
    /// the listener's network. Requests in progress at the stop have one second to complete; then their connections are
    /// closed. An error of accepting is logged, and accepting is tried again.
    pub async fn serve_tcp(&self, listener: TcpListener) {
        let permits = Arc::new(Semaphore::new(self.limit));
        let next = || async {
            let permit = self.permit(&permits).await;
            (permit, self.accepted(|| listener.accept()).await.0)
        };
        let talk = |(permit, stream)| {
            let server = self.clone();
            async move {
                match Socket::tcp(stream) {
                    Ok(socket) => {
                        let peer = socket.peer();
                        server.talk(Connection::holding(permit, socket), peer).await;
                    }
                    Err(error) => {
                        tracing::debug!(api = server.api, %error, "a client was gone at once");
                    }
                }
            }
        };
        self.accept(next, talk).await;
    }

    /// Serves TCP clients that present a valid certificate of the authority in `certificates`, and returns after the
    /// server is stopped. A separate limit, also for each source address, bounds the TLS handshakes at once; only
    /// clients that have completed theirs count towards the limit of connections. A refused client is logged. Requests
    /// in progress at the stop have one second to complete. Once a day, it logs warnings about certificates that
    /// have expired or expire within 30 days.
    pub async fn serve_tls(&self, listener: TcpListener, certificates: Certificates) {
        let entrance = Entrance {
            certificates: certificates.clone(),
            handshakes: Handshakes::default(),
            permits: Arc::new(Semaphore::new(self.limit)),
            server: self.clone(),
        };
        // Connections are accepted without a permit, since `Entrance` bounds how many wait.
        let next = || self.accepted(|| listener.accept());
        let talk = |(stream, from)| entrance.clone().serve(stream, from);
        let warnings = self.stop.child_token();
        tokio::join!(
            self.accept(next, talk),
            warnings.run_until_cancelled(warn_daily(certificates)),
        );
    }

    /// Serves the clients of a Unix socket, and returns after the server is stopped. Requests in progress at the stop
    /// have one second to complete; then their connections are closed. The socket's file stays.
    pub async fn serve_unix(&self, listener: UnixListener) {
        let permits = Arc::new(Semaphore::new(self.limit));
        let next = || async {
            let permit = self.permit(&permits).await;
            (permit, self.accepted(|| listener.accept()).await.0)
        };
        let talk = |(permit, stream)| {
            let socket = Socket::from(stream);
            let peer = socket.peer();
            let server = self.clone();
            async move { server.talk(Connection::holding(permit, socket), peer).await }
        };
        self.accept(next, talk).await;
    }

    /// Accepts clients until the stop, and serves each of them in a task.
    async fn accept<C, N, T>(&self, next: impl Fn() -> N, talk: impl Fn(C) -> T)
    where
        N: Future<Output = C>,
        T: Future<Output = ()> + Send + 'static,
    {
        let mut talks = JoinSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                // Cancel-safe: a result that was not taken remains in the set.
                Some(_) = talks.join_next() => {}
                // Cancel-safe: an acquired permit is released again, and no client is accepted
                // unless the future completes.
                client = next() => drop(talks.spawn(talk(client))),
            }
        }
        // Connections that are still open after that are dropped.
        let _ = timeout(GRACE, async { while talks.join_next().await.is_some() {} }).await;
    }

    /// Returns the next client. Logs an error of accepting and tries again, since file descriptors
    /// may become free.
    async fn accepted<T, A>(&self, accept: impl Fn() -> A) -> T
    where
        A: Future<Output = io::Result<T>>,
    {
        loop {
            match accept().await {
                Ok(client) => return client,
                // The client has disconnected before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(api = self.api, %error, "no client can be accepted");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    /// Returns a permit as soon as one is free. Until then, further clients wait in the kernel's
    /// queue.
    async fn permit(&self, permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return permit;
        }
        tracing::warn!(
            api = self.api,
            limit = self.limit,
            "connection limit reached; queueing"
        );
        match Arc::clone(permits).acquire_owned().await {
            Ok(permit) => permit,
            // Not reached: the semaphore is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Serves one client's requests. A connection that is taken over (`Upgrade: tcp`) keeps its
    /// permit beyond this function.
    async fn talk<S>(self, connection: Connection<S>, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.connection_deadline.unwrap_or(HEAD_DEADLINE))
            .keep_alive(self.connection_deadline.is_none())
            .max_header_size(self.head.bytes)
            .max_headers(self.head.headers)
            .max_buf_size(2 * self.head.bytes)
            .title_case_headers(self.head.title_case);
        let app = self.app.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            request
        });
        let service = TowerToHyperService::new(app);
        let stream = connection.through(F::default());
        let talk = http.serve_connection(TokioIo::new(stream), service);
        let mut talk = std::pin::pin!(talk.with_upgrades());
        let expired = async {
            match self.connection_deadline {
                Some(deadline) => tokio::time::sleep(deadline).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = talk.as_mut() => ended,
            () = expired => Ok(()),
            () = self.stop.cancelled() => {
                talk.as_mut().graceful_shutdown();
                talk.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(
                api = self.api,
                error = error_chain(&error),
                "client connection broken"
            );
        }
    }
}

/// Logs a warning each day about certificates that expire soon.
async fn warn_daily(certificates: Certificates) {
    loop {
        tokio::time::sleep(CERTIFICATES).await;
        certificates.warn();
    }
}

/// The state for admitting clients of a TCP listener. Clones share it.
struct Entrance<F> {
    certificates: Certificates,
    handshakes: Handshakes,
    permits: Arc<Semaphore>,
    server: Server<F>,
}

impl<F> Clone for Entrance<F> {
    fn clone(&self) -> Self {
        Self {
            certificates: self.certificates.clone(),
            handshakes: self.handshakes.clone(),
            permits: Arc::clone(&self.permits),
            server: self.server.clone(),
        }
    }
}

impl<F: Filter + Default + Send + 'static> Entrance<F> {
    /// Serves a client from its first packet to its last.
    async fn serve(self, stream: TcpStream, from: SocketAddr) {
        let Some((connection, peer)) = self.let_in(stream, from).await else {
            return;
        };
        self.server.talk(connection, peer).await;
    }

    /// Returns the connection of a client that has completed the TLS handshake; `None` if the
    /// client was refused, which is logged.
    async fn let_in(
        &self,
        stream: TcpStream,
        from: SocketAddr,
    ) -> Option<(
        Connection<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>,
        Peer,
    )> {
        let socket = Socket::tcp(stream).map_err(|error| self.refused(from, &error.to_string()));
        let socket = socket.ok()?;
        let peer = socket.peer();
        let admitted = self.handshakes.admit(from.ip()).await;
        let admitted = admitted.map_err(|why| match why {
            NotAdmitted::Crowded => {
                self.refused(from, "too many handshakes are pending");
            }
            NotAdmitted::Timeout => self.refused(from, "no handshake permit became free in time"),
        });
        let admitted = admitted.ok()?;
        let handshake = self.certificates.acceptor().accept(socket);
        let stream = match admitted.within(handshake).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                self.refused(from, &error_chain(&error));
                return None;
            }
            None => {
                self.refused(from, "handshake timed out");
                return None;
            }
        };
        // The semaphore is never closed.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some((Connection::holding(permit, stream), peer))
    }

    fn refused(&self, from: SocketAddr, why: &str) {
        let api = self.server.api;
        if REFUSED.line() {
            tracing::warn!(api, %from, why, "client refused");
        } else {
            tracing::debug!(api, %from, why, "client refused");
        }
    }
}

#[cfg(test)]
mod tests;
