//! Opens the containers' channels.

use super::guest_log::GuestLog;
use parking_lot::{Mutex, MutexGuard};
use protocol::transport::{
    ChannelStream, CoordinatorChannel, OpenError,
    coordinator::{NativeListener, NativePeer, Opener as TransportOpener},
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

/// Why a container's channel can't be opened.
#[derive(Debug, Error)]
pub enum ChannelError {
    /// The container's channel is native vsock, and the configuration does not enable the listener
    /// for it.
    #[error("channel vsock:{cid} needs the native vsock listener: set `tether.vsock_port`")]
    NoNativeListener {
        /// The container's vsock context ID (CID).
        cid: u32,
    },
    /// The directory of the channels' sockets can't be made.
    #[error("cannot make {}: make the folder writable, or set `vch.run_dir`", path.display())]
    Dir {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// The source of a container's streams.
pub enum Opener {
    /// A socket or device of the container's own.
    Transport(TransportOpener),
    /// The native vsock listener, which all containers share.
    Native(mpsc::Receiver<ChannelStream>),
}

impl Opener {
    /// Returns whether the agent dials, so that streams may come at any time.
    pub fn listens(&self) -> bool {
        match self {
            Self::Transport(opener) => opener.listens(),
            Self::Native(_) => true,
        }
    }

    /// Opens or accepts the next stream. Cancel-safe.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the stream can't be opened.
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

/// The channels of all containers.
pub struct Channels {
    dir: PathBuf,
    native: Option<Native>,
}

impl Channels {
    /// Makes the directory `dir` for the channels' sockets, open to root alone. Native vsock is
    /// available if `listens`.
    ///
    /// # Errors
    /// Returns [`ChannelError::Dir`] if the directory can't be made.
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

    /// Returns a future that hands the native listener's streams to the containers of their CIDs,
    /// without end; `None` if native vsock is off.
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

    /// Returns the source of a container's streams from now on.
    ///
    /// # Errors
    /// Returns [`ChannelError::NoNativeListener`] if the channel is native vsock, which is off.
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
        Ok(Opener::Transport(TransportOpener::new(channel)))
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

    /// Forgets a container's channel: streams of its CID are no longer accepted.
    pub fn forget(&self, id: ContainerId, channel: &Channel) {
        if let (Channel::Vsock { cid }, Some(native)) = (channel, &self.native) {
            let mut native = guard(native);
            // The CID may be another container's by now.
            if native.get(cid).is_some_and(|(holder, _)| *holder == id) {
                native.remove(cid);
            }
        }
    }

    /// Returns the path of the socket of a container's Unix channel: `path` if given, else one
    /// below the channels' directory.
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
