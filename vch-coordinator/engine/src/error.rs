//! The errors of the data plane, and the type of its remaining work.

use futures_util::future::BoxFuture;
use thiserror::Error;
use vch_network::{
    NicError, dns::DnsError, nat::NatError, segments::SegmentError, tether::ChannelError,
};

/// The part of the data plane that could not carry out what the ledger decided, with its error.
#[derive(Debug, Error)]
pub enum DataplaneError {
    /// Bridges, links on them, or gateways' addresses could not be made or removed.
    #[error("segments")]
    Segments(#[from] SegmentError),
    /// The nftables tables could not be changed.
    #[error("nat")]
    Nat(#[from] NatError),
    /// DNS names could not be changed, or the name server could not listen.
    #[error("dns")]
    Dns(#[from] DnsError),
    /// The channel to a container's agent could not be opened.
    #[error("tether")]
    Tether(#[from] ChannelError),
    /// The NIC of a running VM could not be changed.
    #[error("runtime")]
    Runtime(#[from] NicError),
    /// A task of the data plane panicked. The panic is in the log; the coordinator retries the change as after any other
    /// failure.
    #[error("it ended in a panic")]
    Panicked,
}

/// A future that does the remaining work of a transaction (changes of running VMs' NICs, and removals of links). It may
/// run concurrently with the next transactions.
pub type Later = BoxFuture<'static, Result<(), DataplaneError>>;
