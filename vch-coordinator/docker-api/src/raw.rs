//! Supports raw streams for clients that request no upgrade.
//!
//! `POST /containers/{id}/attach` and `POST /exec/{id}/start` turn their connection into a raw stream. Newer
//! clients request it (`Upgrade: tcp`), and hyper hands over the connection. Older and simpler clients do
//! not: they accept a `200 OK` without a length and continue in both directions. HTTP has one request of
//! this kind, `CONNECT`: a success has no length, and the connection is a tunnel afterwards. Therefore
//! [`RawStarts`], between the socket and hyper, follows where requests begin and changes the method of these
//! requests to `CONNECT`; `preflight` changes it back.
//!
//! ```text
//!   socket ──► POST /exec/7/start ──► RawStarts ──► CONNECT /exec/7/start ──► hyper ──► preflight ──► POST
//! ```
//!
//! Bytes that it cannot parse are passed on unchanged, and hyper refuses them.
//!
//! It also knows whether a body is being received. If a client receives an answer before it has sent its
//! complete body, for example when an image is refused, and its connection is closed while it writes, it
//! reports that instead of the answer. Therefore the rest of the body is read and discarded for a short
//! time (RFC 9112, 9.6).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};
use vch_http::Filter;

/// Marks a request that starts a raw stream and requests no upgrade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawStart;

/// The maximum length of a head in bytes, as in hyper.
pub(crate) const MAX_HEAD: usize = 64 << 10;
/// The maximum number of headers of a request.
pub(crate) const MAX_HEADERS: usize = 100;
/// The maximum length in bytes of the line with a chunk's length: 16 digits and an extension.
const MAX_CHUNK_LINE: usize = 4 << 10;
const READ: usize = 8 << 10;
/// How long the rest of a body is discarded after an answer that did not wait for it.
const LINGER: Duration = Duration::from_secs(2);

/// Marks the requests for raw streams of a connection.
#[derive(Default)]
pub(crate) struct RawStarts {
    follow: Follow,
    /// The bytes that hyper has not read yet, from `read` on.
    ready: Vec<u8>,
    read: usize,
    /// When discarding the rest of a body ends; from its beginning on, nothing more is written to
    /// the client.
    lingers: Option<Pin<Box<Sleep>>>,
}

impl RawStarts {
    /// Reads and discards the client's bytes until it closes the connection or the time is over.
    fn poll_linger<S: AsyncRead + Unpin>(
        &mut self,
        mut stream: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let lingers = self.lingers.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        loop {
            if lingers.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut space = [0; READ];
            let mut into = ReadBuf::new(&mut space);
            match ready!(stream.as_mut().poll_read(context, &mut into)) {
                Ok(()) if !into.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

/// The position of a connection within its requests.
#[derive(Debug)]
enum Follow {
    /// In a head, of which these bytes have arrived.
    Head(Vec<u8>),
    /// In a body with this many more bytes.
    Length(u64),
    /// In the line before a chunk, or in the lines after the last one.
    ChunkLine { line: Vec<u8>, last: bool },
    /// In a chunk, including the end of its line.
    Chunk(u64),
    /// After the last request that is followed: in a raw stream, or in bytes that are not HTTP.
    Raw,
}

impl Default for Follow {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Follow {
    /// Returns whether a body has begun and not ended.
    fn is_within_a_body(&self) -> bool {
        matches!(
            self,
            Self::Length(_) | Self::Chunk(_) | Self::ChunkLine { .. }
        )
    }

    /// Passes bytes on to `to`; a head only when it is complete.
    fn pass(&mut self, mut bytes: &[u8], to: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let taken = match self {
                Self::Head(head) => {
                    let taken = add_to_head(head, bytes, to);
                    if ends_head(head) || head.len() > MAX_HEAD {
                        let (follow, method) = judged(head);
                        let rest = match method {
                            Method::RawStart => {
                                to.extend_from_slice(b"CONNECT");
                                &head[b"POST".len()..]
                            }
                            Method::AsItIs => head,
                        };
                        to.extend_from_slice(rest);
                        *self = follow;
                    }
                    taken
                }
                Self::Length(left) | Self::Chunk(left) => {
                    let taken =
                        usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    to.extend_from_slice(&bytes[..taken]);
                    *left -= taken as u64;
                    if *left == 0 {
                        *self = match self {
                            Self::Chunk(_) => chunk_line(),
                            _ => Self::Head(Vec::new()),
                        };
                    }
                    taken
                }
                Self::ChunkLine { line, last } => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let taken = end.map_or(bytes.len(), |end| end + 1);
                    line.extend_from_slice(&bytes[..taken]);
                    to.extend_from_slice(&bytes[..taken]);
                    if end.is_some() {
                        *self = after_line(line, *last);
                    } else if line.len() > MAX_CHUNK_LINE {
                        *self = Self::Raw;
                    }
                    taken
                }
                Self::Raw => {
                    to.extend_from_slice(bytes);
                    bytes.len()
                }
            };
            bytes = &bytes[taken..];
        }
    }

    /// Handles the end of the client's bytes: an incomplete head is passed on.
    fn end(&mut self, to: &mut Vec<u8>) {
        if let Self::Head(head) = std::mem::replace(self, Self::Raw) {
            to.extend_from_slice(&head);
        }
    }
}

fn chunk_line() -> Follow {
    Follow::ChunkLine {
        line: Vec::new(),
        last: false,
    }
}

/// Adds bytes to a head up to its end, and returns how many. Ends of lines before a request (RFC
/// 9112, 2.2) are passed on at once.
fn add_to_head(head: &mut Vec<u8>, bytes: &[u8], to: &mut Vec<u8>) -> usize {
    for (index, byte) in bytes.iter().enumerate() {
        if head.is_empty() && matches!(byte, b'\r' | b'\n') {
            to.push(*byte);
            continue;
        }
        head.push(*byte);
        if ends_head(head) || head.len() > MAX_HEAD {
            return index + 1;
        }
    }
    bytes.len()
}

fn ends_head(head: &[u8]) -> bool {
    head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n")
}

enum Method {
    RawStart,
    AsItIs,
}

/// Returns what follows a head, and whether the request starts a raw stream without an upgrade.
fn judged(head: &[u8]) -> (Follow, Method) {
    let not_followed = (Follow::Raw, Method::AsItIs);
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(_)) = request.parse(head) else {
        return not_followed;
    };
    let named = |name: &str| {
        let mut named = request.headers.iter();
        named.find(|header| header.name.eq_ignore_ascii_case(name))
    };
    let asks = named("upgrade").is_some() && request.version == Some(1);
    if asks {
        return not_followed;
    }
    let starts = request.method == Some("POST")
        && head.starts_with(b"POST")
        && request.path.is_some_and(starts_raw);
    if starts {
        return (Follow::Raw, Method::RawStart);
    }
    let follow = if named("transfer-encoding").is_some() {
        chunk_line()
    } else {
        let length = named("content-length").map_or(Some(0), |header| {
            std::str::from_utf8(header.value).ok()?.trim().parse().ok()
        });
        match length {
            Some(0) => Follow::Head(Vec::new()),
            Some(length) => Follow::Length(length),
            None => Follow::Raw,
        }
    };
    (follow, Method::AsItIs)
}

/// Returns the position after a line of a chunked body.
fn after_line(line: &[u8], last: bool) -> Follow {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\r', '\n']);
    if last {
        return match text {
            "" => Follow::Head(Vec::new()),
            _ => Follow::ChunkLine {
                line: Vec::new(),
                last,
            },
        };
    }
    let digits = text.split(';').next().unwrap_or_default().trim();
    match u64::from_str_radix(digits, 16) {
        Ok(0) => Follow::ChunkLine {
            line: Vec::new(),
            last: true,
        },
        // A chunk is followed by the end of its line.
        Ok(length) => length.checked_add(2).map_or(Follow::Raw, Follow::Chunk),
        Err(_) => Follow::Raw,
    }
}

/// Returns whether a request's target is attach or the start of an exec, in any version.
fn starts_raw(target: &str) -> bool {
    // A target may be a complete URL (RFC 9112, 3.2.2).
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => target.strip_prefix('/').unwrap_or(target),
    };
    let path = path.split('?').next().unwrap_or_default();
    let mut parts = path.strip_suffix('/').unwrap_or(path).split('/').peekable();
    let version = |part: &&str| {
        let number = part.strip_prefix('v');
        number.is_some_and(|number| number.starts_with(|digit: char| digit.is_ascii_digit()))
    };
    parts.next_if(version);
    let parts: Vec<&str> = parts.take(4).collect();
    matches!(
        parts.as_slice(),
        ["containers", _, "attach"] | ["exec", _, "start"]
    )
}

impl Filter for RawStarts {
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        mut stream: Pin<&mut S>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.read < self.ready.len() {
                let rest = &self.ready[self.read..];
                let count = rest.len().min(buffer.remaining());
                buffer.put_slice(&rest[..count]);
                self.read += count;
                return Poll::Ready(Ok(()));
            }
            if matches!(self.follow, Follow::Raw) {
                // Nothing is buffered any more, so the memory is released.
                self.ready = Vec::new();
                self.read = 0;
                return stream.poll_read(context, buffer);
            }
            let mut space = [0; READ];
            let mut into = ReadBuf::new(&mut space);
            ready!(stream.as_mut().poll_read(context, &mut into))?;
            self.ready.clear();
            self.read = 0;
            if into.filled().is_empty() {
                self.follow.end(&mut self.ready);
                continue;
            }
            self.follow.pass(into.filled(), &mut self.ready);
        }
    }

    fn poll_shutdown<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        mut stream: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.lingers.is_none() {
            ready!(stream.as_mut().poll_shutdown(context))?;
        }
        if self.follow.is_within_a_body() {
            ready!(self.poll_linger(stream, context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
