//! The trait by which a running VM's NICs are changed, and its errors.

use futures_util::future::BoxFuture;
use protocol::spec::MacAddress;
use std::error::Error;
use thiserror::Error;
use vch_ledger::{ContainerName, desired::Nic};

/// Changes the NICs of running VMs. A call may be repeated: it succeeds if its change is made already.
pub trait Nics: Send + Sync {
    /// Adds a NIC to a running VM.
    ///
    /// # Errors
    /// Returns [`NicError`] if the VM does not get the NIC.
    fn plug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>>;

    /// Removes a NIC from a running VM.
    ///
    /// # Errors
    /// Returns [`NicError`] if the VM keeps the NIC.
    fn unplug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>>;

    /// Connects a running VM's NIC to its tap again, after the tap was deleted and created anew.
    ///
    /// # Errors
    /// Returns [`NicError`] if the NIC stays disconnected.
    fn reattach<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>>;
}

/// Why a VM's NIC could not be changed.
#[derive(Debug, Error)]
pub enum NicError {
    /// The VM, or the program that runs it, refused.
    #[error("the runtime could not {operation} the NIC {mac} of {container}: {reason}")]
    Refused {
        /// The operation: `plug`, `unplug` or `replug`.
        operation: &'static str,
        /// The NIC's MAC address.
        mac: MacAddress,
        /// The container's name.
        container: ContainerName,
        /// The reason, as the VM or the program states it.
        reason: String,
    },
    /// The VM, or the program that runs it, gave no usable answer.
    #[error(transparent)]
    Unanswered(Box<dyn Error + Send + Sync>),
}
