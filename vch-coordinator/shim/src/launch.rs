//! The launch: the description of one VM and the container in it. The coordinator passes it to a
//! shim as one JSON object on standard input.

use protocol::process::Start;
use serde::{Deserialize, Serialize};
use std::{io::Read, path::PathBuf, time::Duration};
use thiserror::Error;
use vch_qemu::Accelerator;

/// Most bytes of a launch: a command line and an environment at their bounds fit.
const MAX_LAUNCH: u64 = 8 << 20;
/// The number of PCIe root ports of a VM, which hold its NICs and a clone's two disks: room for the
/// 32 networks that a container can be on, and for NICs that are slow to leave.
pub const PORTS: u8 = 40;

/// The description of one VM to start, and of the container in it: the input of the shim, the
/// process that runs the VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The container's ID. The shim uses it only in messages.
    pub container: String,
    /// The container's persistent directory. The shim writes its log, its lock and `exit.json` (how
    /// the run ended) there.
    #[serde(rename = "folder")]
    pub dir: PathBuf,
    /// The directory of `shim.sock` (the shim's socket), `tether.sock` (the channel to the guest's
    /// network agent) and `shim.pid` (the shim's process ID). The shim makes the directory, and
    /// removes it at its end.
    pub sockets: PathBuf,
    /// The path of the QEMU program, or its name, which is then looked up in `PATH`.
    pub program: PathBuf,
    /// The path of the guest's uncompressed kernel (`vmlinux`).
    pub kernel: PathBuf,
    /// The path of the initramfs, which contains the guest's init and its network agent.
    pub initramfs: PathBuf,
    /// The path of the disk with the kernel modules that the guest loads on demand; `None` if it
    /// has only the modules of the initramfs.
    #[serde(default)]
    pub modules_disk: Option<PathBuf>,
    /// Whether QEMU uses KVM; otherwise it emulates the processors.
    pub kvm: bool,
    /// The VM's memory in MiB.
    pub memory_mib: u32,
    /// The VM's number of processors.
    pub cpus: u16,
    /// The path of the squashfs file with the root file system of the container's image. Several VMs may share it: it
    /// is attached read-only.
    pub image_disk: PathBuf,
    /// The path of the ext4 file with the files that the container has changed or added; no other VM uses it.
    #[serde(rename = "upper_disk")]
    pub writable_disk: PathBuf,
    /// The directory of a saved VM (see [`template`](crate::template)) with the same kernel, memory
    /// and processors, of which this VM becomes a clone; `None` if this VM boots.
    #[serde(default)]
    pub template: Option<PathBuf>,
    /// The NICs that the VM has from the start. More can be plugged later with
    /// [`Client::plug`](crate::Client::plug).
    pub nics: Vec<Nic>,
    /// The user ID and group ID that QEMU runs as. No other process may have it.
    pub uid: u32,
    /// The directory of the cgroup (cgroup v2) that the shim and QEMU join, whose limits are set
    /// already; `None` to stay in the cgroup of the process that started the shim.
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
    /// The message that the shim sends to the guest's init once it has answered: the container's settings and its main
    /// process.
    pub start: Start,
    /// The size at which the shim begins a new file of the container's log, in bytes. Values below 64 KiB count as 64
    /// KiB.
    pub log_bytes: u64,
    /// The maximum number of files of the container's log; older ones are removed. 0 counts as 1.
    pub log_files: u32,
    /// The maximum time from QEMU's start until the guest's init answers, in milliseconds. The run
    /// then fails with `boot-timeout`.
    pub boot_deadline_ms: u64,
}

/// A NIC of a VM, and the tap device of the host that carries its frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The NIC's ID, by which QEMU and later requests name it: a letter, then letters and digits.
    pub id: String,
    /// The NIC's MAC address, which the guest sees as the permanent one.
    pub mac: [u8; 6],
    /// The name of an existing tap device in the network namespace of the shim.
    pub tap: String,
}

/// The reason for which a [`Launch`] can't be read from standard input.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// Standard input can't be read.
    #[error("the launch can't be read from standard input")]
    Read(#[from] std::io::Error),
    /// The input has more than 8 MiB.
    #[error("the launch has more than {MAX_LAUNCH} bytes")]
    TooLong,
    /// The input is not the JSON of a launch of this release.
    #[error("standard input holds no launch of this version")]
    Malformed(#[from] serde_json::Error),
}

impl Launch {
    /// Reads a launch as JSON. Reads `input` to its end, at most 8 MiB.
    ///
    /// # Errors
    /// Returns [`LaunchError::Read`] if reading fails, [`LaunchError::TooLong`] if the input is too long,
    /// [`LaunchError::Malformed`] if it is not a launch.
    pub fn read(input: impl Read) -> Result<Self, LaunchError> {
        let mut text = Vec::new();
        input.take(MAX_LAUNCH + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_LAUNCH {
            return Err(LaunchError::TooLong);
        }
        Ok(serde_json::from_slice(&text)?)
    }

    pub(crate) fn accelerator(&self) -> Accelerator {
        if self.kvm {
            Accelerator::Kvm
        } else {
            Accelerator::Tcg
        }
    }

    pub(crate) fn boot_deadline(&self) -> Duration {
        Duration::from_millis(self.boot_deadline_ms)
    }
}

#[cfg(test)]
pub mod tests;
