//! The API's socket, which lets in a bounded number of connections at once.

use axum::serve::Listener;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream, unix::SocketAddr},
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Accepts while there is a permit. A client that comes later waits in the kernel's queue, and is answered when
/// another connection ends.
#[derive(Debug)]
pub struct ConnectionLimiter {
    listener: UnixListener,
    permits: Arc<Semaphore>,
}

/// A connection, which holds its permit. What is read of it passes through `F`.
#[derive(Debug)]
pub struct Connection<S = UnixStream, F = Unchanged> {
    stream: S,
    filter: F,
    permit: OwnedSemaphorePermit,
}

impl<S> Connection<S> {
    /// Holds the permit as long as it lives.
    pub fn holding(permit: OwnedSemaphorePermit, stream: S) -> Self {
        Self {
            stream,
            filter: Unchanged,
            permit,
        }
    }

    /// The same connection, read through a filter.
    pub fn through<F: Filter>(self, filter: F) -> Connection<S, F> {
        Connection {
            stream: self.stream,
            filter,
            permit: self.permit,
        }
    }
}

/// Changes what is read of a connection, and how it ends.
pub trait Filter: Unpin {
    /// Reads from the connection's stream; as [`AsyncRead::poll_read`].
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: Pin<&mut S>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>;

    /// Ends what is written to the connection's stream; as [`AsyncWrite::poll_shutdown`].
    fn poll_shutdown<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        stream.poll_shutdown(context)
    }
}

/// The filter that changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unchanged;

impl Filter for Unchanged {
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: Pin<&mut S>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        stream.poll_read(context, buffer)
    }
}

impl ConnectionLimiter {
    /// Accepts at most `limit` connections at once.
    pub fn new(listener: UnixListener, limit: usize) -> Self {
        Self {
            listener,
            permits: Arc::new(Semaphore::new(limit)),
        }
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return permit;
        }
        tracing::warn!("the API has as many connections as it takes: others wait");
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            // Not reached: nobody closes the semaphore. Nothing is let in by what is closed.
            std::future::pending().await
        };
        permit
    }
}

impl Listener for ConnectionLimiter {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let permit = self.permit().await;
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Connection::holding(permit, stream), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl<S: AsyncRead + Unpin, F: Filter> AsyncRead for Connection<S, F> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, filter, .. } = self.get_mut();
        filter.poll_read(Pin::new(stream), context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, F: Filter> AsyncWrite for Connection<S, F> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, filter, .. } = self.get_mut();
        filter.poll_shutdown(Pin::new(stream), context)
    }
}

#[cfg(test)]
mod tests;
