//! The trait by which the NICs of running VMs are changed, and its errors.

use futures_util::future::BoxFuture;
use protocol::spec::MacAddress;
use std::error::Error;
use thiserror::Error;
use vch_ledger::{ContainerName, desired::Nic};

/// Changes the NICs of running VMs. `vch-runtime` implements it twice: for VMs that the coordinator runs itself, and
/// for those of another program, by its hook. `vch-engine` calls it when a running container is connected to or
/// disconnected from a network, or its tap was made anew. A call may be repeated: it succeeds if the change has been
/// made already.
pub trait Nics: Send + Sync {
    /// Adds the NIC `nic`, with its MAC address, to the running VM of its container, and attaches it to the tap that
    /// `nic` names. The tap exists already.
    ///
    /// # Errors
    /// Returns [`NicError`] if the VM does not get the NIC.
    fn plug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>>;

    /// Removes the NIC `nic` from the running VM of its container. The caller removes the NIC's tap afterwards.
    ///
    /// # Errors
    /// Returns [`NicError`] if the VM keeps the NIC.
    fn unplug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>>;

    /// Attaches the NIC of a running VM to its tap again, after the tap was deleted and created anew.
    ///
    /// # Errors
    /// Returns [`NicError`] if the NIC stays disconnected.
    fn reattach<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>>;
}

/// Why a NIC of a running VM could not be changed.
#[derive(Debug, Error)]
pub enum NicError {
    /// The VM, or the program that runs it, refused the change.
    #[error("the runtime could not {operation} the NIC {mac} of {container}: {reason}")]
    Refused {
        /// The requested operation: `plug`, `unplug` or `replug` (reattach).
        operation: &'static str,
        /// The NIC's MAC address.
        mac: MacAddress,
        /// The name of the container whose VM has the NIC.
        container: ContainerName,
        /// The reason, as the VM or the program that runs it states it.
        reason: String,
    },
    /// The VM, or the program that runs it, gave no usable answer, so that it is not known whether the change was made.
    /// Contains the error of asking it.
    #[error(transparent)]
    Unanswered(Box<dyn Error + Send + Sync>),
}
