//! Opens the agent's end of its channel to the coordinator.

use super::device::{open_serial, open_virtio};
use super::vsock::{self, Listener};
use super::{ChannelAddress, ChannelStream, DIAL_DEADLINE, OpenError, Peer, PrivilegedPort};
use ::vsock::VMADDR_CID_HOST;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::Instant;

/// After a listener has failed it is made anew no sooner than this.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Opens the agent's end of its channel, as often as it is needed: the driver calls [`AgentOpener::open`] for each new
/// connection.
pub struct AgentOpener {
    address: ChannelAddress,
    listener: Option<Listener>,
    not_before: Option<Instant>,
}

/// The outcome of [`AgentOpener::open`].
pub enum Opened {
    /// The channel is open; this is its stream.
    Stream(ChannelStream),
    /// A peer other than the host connected, and was disconnected at once. The caller should log
    /// this and call [`AgentOpener::open`] again.
    TurnedAway(Peer),
}

impl AgentOpener {
    /// Creates an opener for this address. It opens nothing until [`AgentOpener::open`].
    pub fn new(address: ChannelAddress) -> Self {
        Self {
            address,
            listener: None,
            not_before: None,
        }
    }

    /// Returns the address of the channel that this opener opens.
    pub fn address(&self) -> &ChannelAddress {
        &self.address
    }

    /// Returns whether the agent listens and the coordinator connects ([`ChannelAddress::VsockListen`]). If so,
    /// [`AgentOpener::open`] has to be called all the time, also while a channel is open: a peer that is not the host
    /// is then disconnected at once, and the host's next connection replaces the one before. If not, it is called only
    /// to open a channel.
    pub fn listens(&self) -> bool {
        matches!(self.address, ChannelAddress::VsockListen(_))
    }

    /// Waits until the channel is open, and returns its stream; with an address that listens, also when another peer
    /// was turned away. Cancel-safe.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the kernel refuses a system call, no virtserialport has the name, or the connection
    /// takes longer than [`DIAL_DEADLINE`]. The caller tries again after a pause; an opener that listens pauses by
    /// itself.
    pub async fn open(&mut self) -> Result<Opened, OpenError> {
        match &self.address {
            ChannelAddress::VsockListen(port) => {
                let port = *port;
                self.accept(port).await
            }
            ChannelAddress::Vsock { cid, port } => {
                vsock::dial(*cid, *port).await.map(Opened::Stream)
            }
            ChannelAddress::Serial(path) => open_serial(path).map(Opened::Stream),
            ChannelAddress::Virtio(name) => open_virtio(name).await.map(Opened::Stream),
            ChannelAddress::Unix(path) => dial_unix(path).await.map(Opened::Stream),
        }
    }

    async fn accept(&mut self, port: PrivilegedPort) -> Result<Opened, OpenError> {
        if let Some(instant) = self.not_before {
            tokio::time::sleep_until(instant).await;
            self.not_before = None;
        }
        let result = match &self.listener {
            Some(listener) => accept_host(listener, port).await,
            None => match Listener::bind(port) {
                Ok(listener) => accept_host(self.listener.insert(listener), port).await,
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

async fn accept_host(listener: &Listener, port: PrivilegedPort) -> Result<Opened, OpenError> {
    let accepted = listener.accept().await;
    let (stream, peer) = accepted.map_err(OpenError::refused(
        "accept on",
        format_args!("vsock port {port}"),
    ))?;
    if peer.cid == VMADDR_CID_HOST {
        return Ok(Opened::Stream(stream));
    }
    drop(stream);
    Ok(Opened::TurnedAway(peer))
}

async fn dial_unix(path: &Path) -> Result<ChannelStream, OpenError> {
    let object = path.display().to_string();
    match tokio::time::timeout(DIAL_DEADLINE, UnixStream::connect(path)).await {
        Err(_) => Err(OpenError::TimedOut { object }),
        Ok(Err(error)) => Err(OpenError::refused("connect to", object)(error)),
        Ok(Ok(stream)) => Ok(Box::new(stream)),
    }
}

#[cfg(test)]
mod tests;
