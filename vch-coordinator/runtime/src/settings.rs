//! What the VCH starts its VMs with.

use std::{path::PathBuf, time::Duration};
use vch_qemu::Accelerator;

/// What the VCH starts its VMs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vms {
    /// The uncompressed kernel.
    pub kernel: PathBuf,
    /// The initramfs with init and agent.
    pub initramfs: PathBuf,
    /// The program that watches one VM; `None` for the one that lies beside the coordinator.
    pub shim: Option<PathBuf>,
    /// Whether VMs are clones of a saved one, where there is one, or always boot. The kernel of clones lies at
    /// the same random addresses in each; its random numbers are drawn anew.
    pub clones: bool,
    /// How instructions are run.
    pub accelerator: Accelerator,
    /// Memory of a container that asks for none, MiB.
    pub memory_mib: u32,
    /// Processors of a container that asks for none.
    pub cpus: u16,
    /// Bytes that a container may write to its root file system.
    pub disk_bytes: u64,
    /// Registries that may be asked without TLS, as `host:port`.
    pub insecure_registries: Vec<String>,
    /// From QEMU's start until init answers.
    pub boot_deadline: Duration,
    /// From then until the network is there.
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
