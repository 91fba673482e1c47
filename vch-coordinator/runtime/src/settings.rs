//! The settings with which the coordinator starts VMs.

use std::{path::PathBuf, time::Duration};
use vch_qemu::Accelerator;

/// The settings with which the coordinator starts its containers' VMs: the table `[runtime]` of
/// vch.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vms {
    /// The path of the guest's uncompressed kernel (`vmlinux`).
    pub kernel: PathBuf,
    /// The path of the initramfs, which contains the guest's init and its network agent.
    pub initramfs: PathBuf,
    /// The path of the `vch-shim` program, which runs one VM; `None` for the one beside the
    /// coordinator's program.
    pub shim: Option<PathBuf>,
    /// Whether VMs are started as clones of a saved VM (a template) if possible; otherwise each VM
    /// boots. Clones start faster. Clones of one template share the kernel's address layout
    /// (KASLR); their random numbers are reseeded.
    pub clones: bool,
    /// Whether QEMU uses KVM or emulates the processors (TCG).
    pub accelerator: Accelerator,
    /// The memory of a VM whose container sets no limit of memory, in MiB.
    pub memory_mib: u32,
    /// The number of processors of a VM whose container sets no limit of processor time.
    pub cpus: u16,
    /// The size of the ext4 file system that holds what a container writes, in bytes, if the container sets none.
    pub disk_bytes: u64,
    /// The image registries that are contacted without TLS, as `host:port`.
    pub insecure_registries: Vec<String>,
    /// The maximum time from QEMU's start until the guest's init answers. If it passes, the start of the container
    /// fails.
    pub boot_deadline: Duration,
    /// The maximum time from the init's answer until the guest's network is configured. If it passes, the start of the
    /// container fails.
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
