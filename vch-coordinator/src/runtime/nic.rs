//! NICs of running VMs, and who changes them.

use super::HookError;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// A running VM's NIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The container's name.
    pub container: String,
    /// Its ID, 64 hexadecimal digits.
    pub container_id: String,
    /// The endpoint's ID, 64 hexadecimal digits.
    pub endpoint_id: String,
    /// What the guest will call the interface.
    pub interface: String,
    /// The tap on the VCH.
    pub tap: String,
    /// The NIC's MAC address.
    pub mac: String,
    /// By what the agent finds it: `mac`, `pci:PATH` or `slot:NUMBER`.
    pub nic: String,
}

/// Whoever runs the VMs: changes a running VM's NICs. Each may be asked again, and is done where it is
/// so already.
pub trait Nics: Send + Sync {
    /// Lets a running VM have a NIC.
    fn plug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>>;

    /// Lets a running VM have a NIC no longer.
    fn unplug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>>;

    /// Lets a running VM's NIC work again, whose tap was made anew.
    fn replug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>>;
}
