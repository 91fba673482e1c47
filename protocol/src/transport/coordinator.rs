//! Opens the coordinator's end of a container's channel to its agent.

use super::vsock::{self, Listener};
use super::{
    ChannelError, ChannelStream, CoordinatorChannel, CoordinatorEnd, DIAL_DEADLINE, OpenError,
    Peer, PrivilegedPort, Received, bind_unix,
};
use crate::message::{Refusal, ToCoordinator};
use crate::session::coordinator::refuse;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;

/// The longest line taken for an answer to `CONNECT`; `OK 4294967295` has 13 bytes.
const MAX_ANSWER: usize = 64;
/// The time that a peer that will be refused has to send a hello, so that it can be told the
/// reason.
const HELLO_DEADLINE: Duration = Duration::from_secs(2);
/// After a listener has failed it is made anew no sooner than this.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Opens the coordinator's end of one container's channel, as often as it is needed: the driver calls
/// [`CoordinatorOpener::open`] for each new connection.
pub struct CoordinatorOpener {
    channel: CoordinatorChannel,
    listener: Option<Socket>,
    not_before: Option<Instant>,
}

impl CoordinatorOpener {
    /// Creates an opener for this channel. It opens nothing until [`CoordinatorOpener::open`].
    pub fn new(channel: CoordinatorChannel) -> Self {
        Self {
            channel,
            listener: None,
            not_before: None,
        }
    }

    /// Returns the address of the channel that this opener opens.
    pub fn channel(&self) -> &CoordinatorChannel {
        &self.channel
    }

    /// Returns whether the coordinator listens for the agent on a socket of this container alone
    /// ([`CoordinatorChannel::Unix`]). If so, [`CoordinatorOpener::open`] has to be called all the time, also while a
    /// channel is open, and a stream that arrives while a session is established has to be passed to [`turn_away`]. If
    /// not, it is called only to open a channel.
    pub fn listens(&self) -> bool {
        matches!(self.channel, CoordinatorChannel::Unix(_))
    }

    /// Waits until the channel is open, and returns its stream. Cancel-safe. For [`CoordinatorChannel::Vsock`] it never
    /// returns: those connections come from [`NativeListener::accept`].
    ///
    /// # Errors
    /// Returns [`OpenError`] if the socket can't be bound or connected to, the connection takes longer than
    /// [`DIAL_DEADLINE`], or the virtual machine monitor does not answer `OK`. The caller tries again after a pause; an
    /// opener that listens pauses by itself.
    pub async fn open(&mut self) -> Result<ChannelStream, OpenError> {
        match &self.channel {
            CoordinatorChannel::HybridVsock { socket, port } => dial_hybrid(socket, *port).await,
            CoordinatorChannel::Chardev(path) => {
                let stream = in_time(path, connect(path)).await?;
                Ok(Box::new(stream))
            }
            CoordinatorChannel::Unix(path) => {
                let path = path.clone();
                self.accept(&path).await
            }
            CoordinatorChannel::Vsock(_) => std::future::pending().await,
        }
    }

    async fn accept(&mut self, path: &Path) -> Result<ChannelStream, OpenError> {
        if let Some(instant) = self.not_before {
            tokio::time::sleep_until(instant).await;
            self.not_before = None;
        }
        let result = match &self.listener {
            Some(socket) => socket.accept().await,
            None => match Socket::bind(path) {
                Ok(socket) => self.listener.insert(socket).accept().await,
                Err(error) => Err(error),
            },
        };
        if result.is_err() {
            self.listener = None;
            self.not_before = Some(Instant::now() + LISTEN_AGAIN);
        }
        result
    }
}

/// A listening Unix socket that only its owner can connect to; its file goes when it is dropped.
struct Socket {
    listener: UnixListener,
    path: PathBuf,
    file: FileId,
}

/// Device and inode of a file.
type FileId = (u64, u64);

fn file_id(path: &Path) -> io::Result<FileId> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Socket {
    fn bind(path: &Path) -> Result<Self, OpenError> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(OpenError::NotASocket(path.display().to_string()));
            }
            _ => {}
        }
        let refused = |action| OpenError::refused(action, path.display());
        let listener = bind_unix(path, 0o600).map_err(refused("bind"))?;
        let listener = UnixListener::from_std(listener).map_err(refused("bind"))?;
        let file = file_id(path).map_err(refused("look at"))?;
        let path = path.to_owned();
        Ok(Self {
            listener,
            path,
            file,
        })
    }

    async fn accept(&self) -> Result<ChannelStream, OpenError> {
        let (stream, _) = self
            .listener
            .accept()
            .await
            .map_err(OpenError::refused("accept on", self.path.display()))?;
        Ok(Box::new(stream))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The name may be that of its successor by now, which listens already.
        if file_id(&self.path).is_ok_and(|file| file == self.file) {
            // Nothing is lost where it stays: the next one takes its place.
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// Dials by the preamble of hybrid vsock, as Firecracker's documentation of vsock has it: `CONNECT
/// PORT` out, `OK PORT` back, then the guest's bytes.
async fn dial_hybrid(socket: &Path, port: PrivilegedPort) -> Result<ChannelStream, OpenError> {
    let refused = |action| OpenError::refused(action, socket.display());
    let dialled = async {
        let mut stream = connect(socket).await?;
        let request = format!("CONNECT {port}\n");
        let written = stream.write_all(request.as_bytes()).await;
        written.map_err(refused("write to"))?;
        let answer = read_line(&mut stream).await.map_err(refused("read from"))?;
        if !is_ok(&answer) {
            return Err(OpenError::NotConnected {
                object: format!("{} port {port}", socket.display()),
                answer: String::from_utf8_lossy(&answer).escape_debug().to_string(),
            });
        }
        Ok::<ChannelStream, OpenError>(Box::new(stream))
    };
    in_time(socket, dialled).await
}

fn is_ok(answer: &[u8]) -> bool {
    answer
        .strip_prefix(b"OK ")
        .and_then(|rest| rest.strip_suffix(b"\n"))
        .is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit))
}

/// Reads a line with its end, or as much of one as arrived. Reads byte by byte, since the bytes
/// behind the line are the guest's.
async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < MAX_ANSWER && !line.ends_with(b"\n") && stream.read(&mut byte).await? == 1 {
        line.extend(byte);
    }
    Ok(line)
}

async fn connect(path: &Path) -> Result<UnixStream, OpenError> {
    let stream = UnixStream::connect(path).await;
    stream.map_err(OpenError::refused("connect to", path.display()))
}

async fn in_time<T>(
    path: &Path,
    opened: impl Future<Output = Result<T, OpenError>>,
) -> Result<T, OpenError> {
    let timed = tokio::time::timeout(DIAL_DEADLINE, opened).await;
    timed.unwrap_or_else(|_| {
        let object = path.display().to_string();
        Err(OpenError::TimedOut { object })
    })
}

/// Refuses a session to the agent on `stream`: waits for its next [`Hello`](crate::message::Hello), answers it with
/// `refusal`, and closes the stream. If none arrives within two seconds, it closes the stream without an answer.
///
/// # Errors
/// Returns [`ChannelError`] if the channel ends earlier, or the answer can't be sent.
pub async fn turn_away(stream: ChannelStream, refusal: Refusal) -> Result<(), ChannelError> {
    let mut channel = CoordinatorEnd::new(stream);
    let answered = async {
        loop {
            if let Received::Message(envelope) = channel.recv().await?
                && let ToCoordinator::Hello(hello) = envelope.message
            {
                return channel.send(&refuse(&hello, refusal)).await;
            }
        }
    };
    tokio::time::timeout(HELLO_DEADLINE, answered)
        .await
        .unwrap_or(Ok(()))
}

/// Listens on the AF_VSOCK port to which the agents of all containers with a `vsock:CID` channel connect. The CID of a
/// connection identifies its container.
pub struct NativeListener {
    listener: Listener,
    port: PrivilegedPort,
}

/// A connection that [`NativeListener::accept`] accepted.
pub enum NativePeer {
    /// A process of root in this guest has connected; this is its stream.
    Connected(Peer, ChannelStream),
    /// A process other than root's (its port is 1024 or higher) has connected from this guest, and was disconnected at
    /// once. The caller should log this and call [`NativeListener::accept`] again.
    TurnedAway(Peer),
}

impl NativeListener {
    /// Listens on `port` for connections from any guest.
    ///
    /// # Errors
    /// Returns [`OpenError::Refused`] if the port is taken, the kernel has no vsock, or this process is not root.
    pub fn bind(port: PrivilegedPort) -> Result<Self, OpenError> {
        let listener = Listener::bind(port)?;
        Ok(Self { listener, port })
    }

    /// Waits for the next connection, and returns it. Cancel-safe.
    ///
    /// # Errors
    /// Returns [`OpenError::Refused`] if the kernel can't accept a connection: too many files are open, or the vsock
    /// device is gone.
    pub async fn accept(&self) -> Result<NativePeer, OpenError> {
        let accepted = self.listener.accept().await;
        let object = format_args!("vsock port {}", self.port);
        let (stream, peer) = accepted.map_err(OpenError::refused("accept on", object))?;
        Ok(if vsock::is_privileged(peer) {
            NativePeer::Connected(peer, stream)
        } else {
            NativePeer::TurnedAway(peer)
        })
    }
}

#[cfg(test)]
mod tests;
