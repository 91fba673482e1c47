//! Errors of the data plane, and its work that is still to be done.

use futures_util::future::BoxFuture;
use thiserror::Error;
use vch_network::{
    NicError, dns::DnsError, nat::NatError, segments::SegmentError, tether::ChannelError,
};

/// The part of the data plane that could not follow the ledger, with its error.
#[derive(Debug, Error)]
pub enum DataplaneError {
    /// Bridges, ports or gateway addresses.
    #[error("segments")]
    Segments(#[from] SegmentError),
    /// The nftables tables.
    #[error("nat")]
    Nat(#[from] NatError),
    /// The names or their server.
    #[error("dns")]
    Dns(#[from] DnsError),
    /// The channels of the agent sessions.
    #[error("tether")]
    Tether(#[from] ChannelError),
    /// The NICs of running VMs.
    #[error("runtime")]
    Runtime(#[from] NicError),
    /// Work of the data plane panicked; the panic is in the log.
    #[error("it ended in a panic")]
    Panicked,
}

/// A future that does the part of a transaction's work that may run beside the next transactions.
pub type Later = BoxFuture<'static, Result<(), DataplaneError>>;
