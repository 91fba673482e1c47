//! A client's connection, which counts towards the limit of connections, and the filter of its
//! bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
};

/// A client's connection over the stream `S`: a socket, or TLS over one. The server makes it for each accepted client
/// and gives it to hyper. It counts towards the listener's limit of connections until it is dropped, also after a
/// handler has taken it over by an HTTP upgrade. Its [`Filter`] `F` may change the bytes that are read, and how the
/// connection is closed for writing.
#[derive(Debug)]
pub struct Connection<S, F = Unchanged> {
    stream: S,
    filter: F,
    permit: OwnedSemaphorePermit,
}

impl<S> Connection<S> {
    /// Returns a connection that holds `permit` until it is dropped.
    pub(crate) fn holding(permit: OwnedSemaphorePermit, stream: S) -> Self {
        Self {
            stream,
            filter: Unchanged,
            permit,
        }
    }

    /// Returns the same connection with a filter for the bytes that it reads.
    pub(crate) fn through<F: Filter>(self, filter: F) -> Connection<S, F> {
        Connection {
            stream: self.stream,
            filter,
            permit: self.permit,
        }
    }
}

/// Changes the bytes that hyper reads from a client's connection, or how the connection is closed for writing. Bytes
/// that the server writes do not pass through it. An API provides one if its clients send requests that hyper would not
/// accept, and names it as the type `F` of its [`Server`](crate::Server). The server makes one for each connection, by
/// `Default`. For an API that names none, it is [`Unchanged`].
pub trait Filter: Unpin {
    /// Reads from the connection's stream into `buffer`, as [`AsyncRead::poll_read`] does, and may change the bytes.
    /// Hyper's reads call this instead of the stream's own method. The filter may keep bytes in itself until a later
    /// call. If it returns `Ready` without filling any of `buffer`, the client's bytes have ended.
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: Pin<&mut S>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>;

    /// Closes the connection's stream for writing, as [`AsyncWrite::poll_shutdown`] does. Hyper calls it after the last
    /// response. The default only calls the stream's own method; a filter may also read and discard what the client
    /// still sends before it returns `Ready`.
    fn poll_shutdown<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        stream.poll_shutdown(context)
    }
}

/// The [`Filter`] that changes nothing: it reads and closes the stream by the stream's own methods.
#[derive(Clone, Copy, Debug, Default)]
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
