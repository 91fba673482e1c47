//! Opens the channels (byte streams) to the agents in the containers' VMs.

use super::guest_log::GuestLog;
use parking_lot::{Mutex, MutexGuard};
use protocol::transport::{
    ChannelStream, CoordinatorChannel, OpenError,
    coordinator::{CoordinatorOpener, NativeListener, NativePeer},
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::sync::mpsc;
use vch_ledger::{Channel, ContainerId, SocketPath};
use vch_log::error_chain;

/// Connections of one guest that wait: its agent's and one that takes its place.
const WAITING_STREAMS: usize = 2;
/// Between two tries to accept, when the kernel has no more files to give.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Why the channel to a container's agent can't be opened.
#[derive(Debug, Error)]
pub enum ChannelError {
    /// The container's channel is native vsock, and the configuration does not let the coordinator listen on native
    /// vsock (`tether.vsock_port`).
    #[error("channel vsock:{cid} needs the native vsock listener: set `tether.vsock_port`")]
    NoNativeListener {
        /// The container's vsock context ID (CID).
        cid: u32,
    },
    /// The directory for the channels' Unix sockets can't be created.
    #[error("cannot make {}: make the folder writable, or set `vch.run_dir`", path.display())]
    Dir {
        /// The path of the directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// The source of connections to one container's agent, which are opened one after the other.
pub enum Opener {
    /// A socket or device for this container alone.
    Transport(CoordinatorOpener),
    /// The listener on native vsock, which all containers share: the connections that have this container's context ID.
    Native(mpsc::Receiver<ChannelStream>),
}

impl Opener {
    /// Returns whether the agent connects to the coordinator, so that a connection may come at any time.
    pub fn listens(&self) -> bool {
        match self {
            Self::Transport(opener) => opener.listens(),
            Self::Native(_) => true,
        }
    }

    /// Opens the next connection to the agent, or waits until the agent connects. Cancel-safe.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the connection can't be opened.
    pub async fn open(&mut self) -> Result<ChannelStream, OpenError> {
        match self {
            Self::Transport(opener) => opener.open().await,
            Self::Native(streams) => match streams.recv().await {
                Some(stream) => Ok(stream),
                // The container has another channel now: its driver is about to be stopped.
                None => std::future::pending().await,
            },
        }
    }
}

type Native = Arc<Mutex<BTreeMap<u32, (ContainerId, mpsc::Sender<ChannelStream>)>>>;

/// The channels (byte streams) to the agents of all containers. It knows the directory for their Unix sockets, and
/// which container has which vsock context ID (CID).
pub struct Channels {
    dir: PathBuf,
    native: Option<Native>,
}

impl Channels {
    /// Creates the directory `dir` for the channels' Unix sockets, which only root can open, and its parents. `listens`
    /// tells whether the coordinator listens on native vsock; if false, [`opener`](Self::opener) refuses containers
    /// with such a channel.
    ///
    /// # Errors
    /// Returns [`ChannelError::Dir`] if the directory can't be created.
    pub fn new(dir: PathBuf, listens: bool) -> Result<Self, ChannelError> {
        use std::os::unix::fs::DirBuilderExt;
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir);
        made.map_err(|source| ChannelError::Dir {
            path: dir.clone(),
            source,
        })?;
        Ok(Self {
            dir,
            native: listens.then(Native::default),
        })
    }

    /// Returns a future that accepts connections of native vsock and hands each to the container that has the peer's
    /// context ID (CID). Connections from an unknown CID, or from a port above 1,023, are closed. The caller spawns the
    /// future, which never resolves. Returns `None` if `listens` was false in [`new`](Self::new).
    pub fn serve_native(
        &self,
        listener: NativeListener,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let native = Arc::clone(self.native.as_ref()?);
        let mut log = GuestLog::new();
        let mut turned_away = move |peer: &dyn std::fmt::Display, why: &str| {
            if log.line() {
                tracing::warn!(%peer, "{why}: disconnected");
            }
        };
        Some(async move {
            loop {
                match listener.accept().await {
                    Ok(NativePeer::Connected(peer, stream)) => {
                        let container = guard(&native).get(&peer.cid).map(|(_, s)| s.clone());
                        match container.map(|streams| streams.try_send(stream)) {
                            None => turned_away(&peer, "no container has this CID"),
                            Some(Err(_)) => turned_away(&peer, "too many connections"),
                            Some(Ok(())) => {}
                        }
                    }
                    Ok(NativePeer::TurnedAway(peer)) => {
                        turned_away(&peer, "not from a privileged port");
                    }
                    Err(error) => {
                        tracing::error!(error = error_chain(&error), "native vsock");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                }
            }
        })
    }

    /// Returns the value that opens connections to the agent of the container `id`, one after the other. Opens none
    /// yet. For native vsock, connections with the channel's context ID (CID) belong to this container from now on.
    ///
    /// # Errors
    /// Returns [`ChannelError::NoNativeListener`] if the channel is native vsock, and the coordinator does not listen
    /// on it.
    pub fn opener(&self, id: ContainerId, channel: &Channel) -> Result<Opener, ChannelError> {
        let channel = match channel {
            Channel::HybridVsock { path, port } => CoordinatorChannel::HybridVsock {
                socket: path.as_str().into(),
                port: *port,
            },
            Channel::Chardev { path } => CoordinatorChannel::Chardev(path.as_str().into()),
            Channel::Unix { path } => CoordinatorChannel::Unix(self.unix_path(id, path.as_ref())),
            Channel::Vsock { cid } => return self.native(id, *cid),
        };
        Ok(Opener::Transport(CoordinatorOpener::new(channel)))
    }

    fn native(&self, id: ContainerId, cid: u32) -> Result<Opener, ChannelError> {
        let native = self
            .native
            .as_ref()
            .ok_or(ChannelError::NoNativeListener { cid })?;
        let (sender, streams) = mpsc::channel(WAITING_STREAMS);
        guard(native).insert(cid, (id, sender));
        Ok(Opener::Native(streams))
    }

    /// Ends the use of a container's channel: of native vsock, connections with its context ID (CID) are no longer
    /// accepted, unless another container has the CID by now. Does nothing for other kinds of channel.
    pub fn forget(&self, id: ContainerId, channel: &Channel) {
        if let (Channel::Vsock { cid }, Some(native)) = (channel, &self.native) {
            let mut native = guard(native);
            // The CID may be another container's by now.
            if native.get(cid).is_some_and(|(holder, _)| *holder == id) {
                native.remove(cid);
            }
        }
    }

    /// Returns the path of the Unix socket on which the coordinator listens for a container's agent: `path`, if the
    /// container was added with one, else a path in the channels' directory. Creates no socket.
    pub fn unix_path(&self, id: ContainerId, path: Option<&SocketPath>) -> PathBuf {
        match path {
            Some(path) => Path::new(path.as_str()).to_owned(),
            None => self.dir.join(format!("{}.sock", id.short())),
        }
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
