//! The settings with which the VCH starts its VMs.

use std::{path::PathBuf, time::Duration};
use vch_qemu::Accelerator;

/// The settings with which the VCH starts its VMs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vms {
    /// The uncompressed kernel.
    pub kernel: PathBuf,
    /// The initramfs with init and the agent.
    pub initramfs: PathBuf,
    /// The `vch-shim` program; `None` for the one beside the coordinator's program.
    pub shim: Option<PathBuf>,
    /// Whether VMs are clones of templates if possible, or always boot. The kernels of all clones
    /// of a template have the same randomized addresses; their random numbers are reseeded.
    pub clones: bool,
    /// Whether VMs use KVM or emulation.
    pub accelerator: Accelerator,
    /// Memory of a container that sets no limit, in MiB.
    pub memory_mib: u32,
    /// Processors of a container that sets no limit.
    pub cpus: u16,
    /// Bytes that a container may write to its root file system.
    pub disk_bytes: u64,
    /// Registries that are contacted without TLS, as `host:port`.
    pub insecure_registries: Vec<String>,
    /// The maximum time from QEMU's start until init answers.
    pub boot_deadline: Duration,
    /// The maximum time from then until the guest's network is configured.
    pub network_deadline: Duration,
}

#[cfg(test)]
impl Vms {
    /// Any.
    pub fn sample() -> Self {
        Self {
            kernel: "/nowhere/vmlinux".into(),
            initramfs: "/nowhere/vm.cpio".into(),
            shim: None,
            clones: true,
            accelerator: Accelerator::Tcg,
            memory_mib: 256,
            cpus: 1,
            disk_bytes: 1 << 30,
            insecure_registries: Vec::new(),
            boot_deadline: Duration::from_secs(1),
            network_deadline: Duration::from_secs(1),
        }
    }
}
