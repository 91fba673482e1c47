//! Agrees with the other side on a version of the protocol, then exchanges messages.

use super::{NotInVersion1, Reply, Request, VERSION, Version, four, receive, receive_of, send, v1};
use serde::{Serialize, de::DeserializeOwned};
use std::{io, marker::PhantomData};
use tokio::{
    io::AsyncWriteExt,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// The end of a greeting: as the end of a length it is beyond every bound.
const NAME: [u8; 3] = *b"VCH";

/// The result of greeting a shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeted {
    /// The shim speaks this version on this connection.
    Version(Version),
    /// The shim closed the connection: it is of release 0.1.0, or it has just ended. A new
    /// connection tells which.
    Closed,
    /// The shim's newest version is this one, which this release does not speak. The shim has
    /// closed the connection.
    Other(u8),
}

/// Sends a greeting to a shim, and reads its answer.
///
/// # Errors
/// Returns the error of the connection; `InvalidData` if the answer is not a greeting.
pub async fn greet(stream: &mut UnixStream) -> io::Result<Greeted> {
    let greeted = async {
        stream.write_all(&greeting()).await?;
        four(stream).await
    };
    match greeted.await {
        Err(error) if is_closed(&error) => Ok(Greeted::Closed),
        Err(error) => Err(error),
        Ok(None) => Ok(Greeted::Closed),
        Ok(Some(answer)) => match version_of(answer) {
            Some(VERSION) => Ok(Greeted::Version(Version::V2)),
            Some(other) => Ok(Greeted::Other(other)),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the shim's answer is no greeting",
            )),
        },
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

fn greeting() -> [u8; 4] {
    let [v, c, h] = NAME;
    [VERSION, v, c, h]
}

fn version_of([version, name @ ..]: [u8; 4]) -> Option<u8> {
    (name == NAME).then_some(version)
}

/// Reads a client's greeting and answers it. Returns both halves of the connection; `None` if the
/// client has disconnected, or speaks a version that this shim does not speak.
///
/// # Errors
/// Returns the error of the connection.
pub async fn answer(
    stream: UnixStream,
) -> io::Result<Option<(Incoming<Request>, Outgoing<Reply>)>> {
    let (mut from, mut to) = stream.into_split();
    let Some(first) = four(&mut from).await? else {
        return Ok(None);
    };
    let (version, begun) = match version_of(first) {
        None => (Version::V1, Some(first)),
        Some(VERSION) => {
            to.write_all(&greeting()).await?;
            (Version::V2, None)
        }
        Some(_) => {
            to.write_all(&greeting()).await?;
            return Ok(None);
        }
    };
    let mut incoming = Incoming::new(from, version);
    incoming.begun = begun;
    Ok(Some((incoming, Outgoing::new(to, version))))
}

/// A message that has a form in each version of the protocol.
pub trait Versioned: Serialize + DeserializeOwned {
    /// The message's form in version 1.
    type V1: Serialize + DeserializeOwned + Into<Self> + TryFrom<Self, Error = NotInVersion1>;
}

impl Versioned for Request {
    type V1 = v1::Request;
}

impl Versioned for Reply {
    type V1 = v1::Reply;
}

/// The receiving half of a connection between coordinator and shim.
#[derive(Debug)]
pub struct Incoming<M> {
    from: OwnedReadHalf,
    version: Version,
    /// The first message's length, where it was read for a greeting.
    begun: Option<[u8; 4]>,
    of: PhantomData<M>,
}

impl<M: Versioned> Incoming<M> {
    /// Returns the receiving half of a connection on which both sides speak a version.
    pub fn new(from: OwnedReadHalf, version: Version) -> Self {
        Self {
            from,
            version,
            begun: None,
            of: PhantomData,
        }
    }

    /// Waits for the next message and returns it; `None` at the end of the stream. Not cancel-safe.
    ///
    /// # Errors
    /// Returns the error of the connection; `InvalidData` if the bytes are not a message of the
    /// version.
    pub async fn next(&mut self) -> io::Result<Option<M>> {
        match self.version {
            Version::V1 => Ok(self.read::<M::V1>().await?.map(Into::into)),
            Version::V2 => self.read::<M>().await,
        }
    }

    async fn read<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        match self.begun.take() {
            Some(length) => receive_of(length, &mut self.from).await.map(Some),
            None => receive(&mut self.from).await,
        }
    }
}

/// The sending half of a connection between coordinator and shim.
#[derive(Debug)]
pub struct Outgoing<M> {
    to: OwnedWriteHalf,
    version: Version,
    of: PhantomData<M>,
}

impl<M: Versioned> Outgoing<M> {
    /// Returns the sending half of a connection on which both sides speak a version.
    pub fn new(to: OwnedWriteHalf, version: Version) -> Self {
        Self {
            to,
            version,
            of: PhantomData,
        }
    }

    /// Sends a message, in the form of the version that the other side speaks.
    ///
    /// # Errors
    /// Returns `Unsupported`, with [`NotInVersion1`] inside, if the other side does not know the
    /// message; `InvalidInput` if it is too long; else the error of the connection.
    pub async fn send(&mut self, message: M) -> io::Result<()> {
        match self.version {
            Version::V1 => {
                let older = |error| io::Error::new(io::ErrorKind::Unsupported, error);
                let message = M::V1::try_from(message).map_err(older)?;
                send(&mut self.to, &message).await
            }
            Version::V2 => send(&mut self.to, &message).await,
        }
    }

    /// Returns the sending half of the socket itself.
    pub fn stream(&self) -> &OwnedWriteHalf {
        &self.to
    }
}
