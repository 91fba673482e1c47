//! Sends and receives messages over a channel's byte stream.

use super::ChannelStream;
use crate::frame::{self, Decoder, FrameError};
use crate::message::{DecodeError, EncodeError, Envelope, Message, ToAgent, ToCoordinator};
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A message is written within this time or the channel is given up. A UART at 115,200 baud takes
/// 6 s for the longest.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Most bytes read ahead while a message is being written: two of the longest frames.
const READ_AHEAD: usize = 128 * 1024;
const CHUNK: usize = 4 * 1024;

/// The agent's end of a channel: it receives [`ToAgent`] and sends [`ToCoordinator`].
pub type AgentEnd = FramedChannel<ToAgent, ToCoordinator>;
/// The coordinator's end of a channel: it receives [`ToCoordinator`] and sends [`ToAgent`].
pub type CoordinatorEnd = FramedChannel<ToCoordinator, ToAgent>;

/// An open channel that receives messages of type `In` and sends messages of type `Out`, each in a frame
/// ([`crate::frame`]).
pub struct FramedChannel<In, Out> {
    stream: ChannelStream,
    decoder: Decoder,
    inbox: Vec<u8>,
    taken: usize,
    ended: Option<ChannelError>,
    directions: PhantomData<fn(Out) -> In>,
}

/// The result of [`FramedChannel::recv`]: a message, or bytes that are not one.
#[derive(Debug)]
pub enum Received<M> {
    /// A valid message.
    Message(Envelope<M>),
    /// Bytes that are not a message. They are already skipped, and the channel can be used further. A line that loses
    /// bytes causes many of these, so the caller should limit how often it logs them.
    Skipped(Skipped),
}

/// The reason why received bytes are not a message.
#[derive(Debug, Error)]
pub enum Skipped {
    /// The bytes are not a valid frame.
    #[error(transparent)]
    Frame(FrameError),
    /// The frame is valid, but its payload is not a valid message.
    #[error("a sound frame carries no message")]
    Message(#[source] DecodeError),
}

/// The reason why a [`FramedChannel`] can't receive or send.
#[derive(Debug, Error)]
pub enum ChannelError {
    /// The peer closed the channel.
    #[error("the peer closed the channel")]
    Closed,
    /// Reading from the stream failed; the channel can't be used any more.
    #[error("can't read from the channel")]
    Read(#[source] io::Error),
    /// Writing to the stream failed; the channel can't be used any more.
    #[error("can't write to the channel")]
    Write(#[source] io::Error),
    /// The peer did not read a whole message within ten seconds; the channel can't be used any more.
    #[error("the peer took no whole message within {} s", WRITE_DEADLINE.as_secs())]
    Stalled,
    /// The message can't be encoded, or is too long for a frame. The channel can still be used.
    #[error("the message can't be sent")]
    Unsendable(#[source] EncodeError),
}

impl<In: Message, Out: Message> FramedChannel<In, Out> {
    /// Creates a channel of messages over an open stream. Nothing is read or sent yet.
    pub fn new(stream: ChannelStream) -> Self {
        Self {
            stream,
            decoder: Decoder::new(),
            inbox: Vec::new(),
            taken: 0,
            ended: None,
            directions: PhantomData,
        }
    }

    /// Waits for the next message, or for bytes that are not a message, and returns them. Cancel-safe: no message is
    /// lost if the future is dropped.
    ///
    /// # Errors
    /// Returns [`ChannelError::Closed`] or [`ChannelError::Read`] if the channel has ended.
    pub async fn recv(&mut self) -> Result<Received<In>, ChannelError> {
        loop {
            if let Some(received) = self.take() {
                return Ok(received);
            }
            if let Some(error) = self.ended.take() {
                return Err(error);
            }
            poll_fn(|cx| self.poll_fill(cx)).await;
        }
    }

    /// Sends a message. While it writes, it also reads into a buffer, so that two sides that send at the same time do
    /// not block each other. Not cancel-safe: if the future is dropped, the peer may get an incomplete frame, which it
    /// skips.
    ///
    /// [`FramedChannel::recv`] returns the buffered messages first. The caller must take these before it checks whether
    /// the peer was silent.
    ///
    /// # Errors
    /// Returns [`ChannelError::Unsendable`] if the message can't be encoded; the channel can still be used. Returns
    /// [`ChannelError::Write`] or [`ChannelError::Stalled`] if the channel can't be used any more.
    pub async fn send(&mut self, envelope: &Envelope<Out>) -> Result<(), ChannelError> {
        let payload = envelope
            .message
            .encode()
            .map_err(ChannelError::Unsendable)?;
        let mut line = Vec::new();
        // Encoding has bounded the payload to what a frame carries.
        frame::encode(envelope.nonce, &payload, &mut line).map_err(|_| {
            ChannelError::Unsendable(EncodeError::TooLong {
                bytes: payload.len(),
            })
        })?;
        let mut rest = line.as_slice();
        let written = poll_fn(|cx| self.poll_send(cx, &mut rest));
        tokio::time::timeout(WRITE_DEADLINE, written)
            .await
            .map_err(|_| ChannelError::Stalled)?
            .map_err(ChannelError::Write)
    }

    fn take(&mut self) -> Option<Received<In>> {
        let mut input = self.inbox.get(self.taken..).unwrap_or_default();
        let found = self.decoder.next(&mut input);
        self.taken = self.inbox.len() - input.len();
        if input.is_empty() {
            self.inbox.clear();
            self.inbox.shrink_to(CHUNK);
            self.taken = 0;
        }
        Some(match found? {
            Ok(frame) => match In::decode(&frame.payload) {
                Ok(message) => Received::Message(Envelope {
                    nonce: frame.nonce,
                    message,
                }),
                Err(error) => Received::Skipped(Skipped::Message(error)),
            },
            Err(error) => Received::Skipped(Skipped::Frame(error)),
        })
    }

    /// Reads once into the inbox; an end is kept for later.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inbox.drain(..self.taken);
        self.taken = 0;
        let mut chunk = [0; CHUNK];
        let mut buffer = ReadBuf::new(&mut chunk);
        match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
            Ok(()) if buffer.filled().is_empty() => self.ended = Some(ChannelError::Closed),
            Ok(()) => self.inbox.extend_from_slice(buffer.filled()),
            Err(error) => self.ended = Some(ChannelError::Read(error)),
        }
        Poll::Ready(())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) -> Poll<io::Result<()>> {
        while !rest.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => *rest = &rest[written..],
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    while self.ended.is_none() && self.inbox.len() - self.taken < READ_AHEAD {
                        ready!(self.poll_fill(cx));
                    }
                    return Poll::Pending;
                }
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

#[cfg(test)]
mod tests;
