//! What is still to be done of a transaction, and why it is not.

use futures_util::future::BoxFuture;
use thiserror::Error;
use vch_network::{
    NicError, dns::DnsError, nat::NatError, segments::SegmentError, tether::ChannelError,
};

/// Which part of the data plane does not follow the ledger, and why.
#[derive(Debug, Error)]
pub enum DataplaneError {
    /// Bridges, ports, gateways.
    #[error("segments")]
    Segments(#[from] SegmentError),
    /// nftables.
    #[error("nat")]
    Nat(#[from] NatError),
    /// Names and their server.
    #[error("dns")]
    Dns(#[from] DnsError),
    /// Channels.
    #[error("tether")]
    Tether(#[from] ChannelError),
    /// Running VMs.
    #[error("runtime")]
    Runtime(#[from] NicError),
    /// A defect, which the log has.
    #[error("it ended in a panic")]
    Panicked,
}

/// What of a transaction is still to be done.
pub type Later = BoxFuture<'static, Result<(), DataplaneError>>;
