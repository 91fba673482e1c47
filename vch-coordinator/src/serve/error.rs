//! The reasons for which a coordinator does not start, or ended.

use crate::{config::LinksError, metrics::MetricsError, parts::PartError, rlimit::RlimitError};
use docker_api::server::DockerListenError;
use protocol::transport::OpenError;
use thiserror::Error;
use vch_engine::DataplaneError;
use vch_network::{dns::DnsError, nat::NatError, segments::SegmentError, tether::ChannelError};
use vch_store::{StartError, StoreError, private::PrivateError};

/// Why a coordinator does not start, or why it ended.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A configured interface or address does not exist on the VCH.
    #[error(transparent)]
    Links(#[from] LinksError),
    /// The store cannot be opened or closed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run directory cannot be created or used, is not a directory, or belongs to another user than root.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The image store cannot be opened.
    #[error(transparent)]
    Images(#[from] vch_image_store::ImageError),
    /// The rows of the ledger in the store contradict each other or the configuration, a predefined network cannot be
    /// created, the store cannot be read or written, or the ledger's thread cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A part of the data plane (links, nftables, DNS, agent sessions) cannot be started.
    #[error("a part of the data plane does not start")]
    Dataplane(#[from] DataplaneError),
    /// The coordinator cannot listen on the native vsock port for agents.
    #[error("native vsock is not listened on: free the port, or take `tether.vsock_port` away")]
    Native(#[from] OpenError),
    /// The limit on open files is too low, or cannot be read or raised.
    #[error(transparent)]
    Files(#[from] RlimitError),
    /// The handler of SIGHUP cannot be installed.
    #[error("no signal handler")]
    Signal(#[source] std::io::Error),
    /// A part (long-running task) of the coordinator ended unexpectedly.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The native API's Unix socket cannot be opened.
    #[error(transparent)]
    Listen(#[from] control_api::ListenError),
    /// A TCP port or Unix socket of the Docker API cannot be opened.
    #[error(transparent)]
    ListenDocker(#[from] DockerListenError),
    /// The metrics listener cannot be opened, or two parts have a metric of the same name.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The service manager that started the coordinator (systemd) cannot be reached at the socket that the environment
    /// variable `NOTIFY_SOCKET` names.
    #[error("the service manager that NOTIFY_SOCKET names is not reached")]
    Manager(#[source] std::io::Error),
}

impl From<SegmentError> for ServeError {
    fn from(error: SegmentError) -> Self {
        Self::Dataplane(error.into())
    }
}

impl From<ChannelError> for ServeError {
    fn from(error: ChannelError) -> Self {
        Self::Dataplane(error.into())
    }
}

impl From<NatError> for ServeError {
    fn from(error: NatError) -> Self {
        Self::Dataplane(error.into())
    }
}

impl From<DnsError> for ServeError {
    fn from(error: DnsError) -> Self {
        Self::Dataplane(error.into())
    }
}
