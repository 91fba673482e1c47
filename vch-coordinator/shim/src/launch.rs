//! The launch: a shim's input, one JSON object on its standard input.

use protocol::process::Start;
use serde::{Deserialize, Serialize};
use std::{io::Read, path::PathBuf, time::Duration};
use thiserror::Error;
use vch_qemu::Accelerator;

/// Most bytes of a launch: a command line and an environment at their bounds fit.
const MAX_LAUNCH: u64 = 8 << 20;
/// The number of root ports of a VM, which hold its NICs and a clone's two disks: room for the 32 networks that a
/// container can be on, and for NICs that are slow to leave.
pub const PORTS: u8 = 40;

/// The VM to start, and the container in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The container's ID, for messages.
    pub container: String,
    /// The container's directory, which outlives the run: the log and `exit.json` are written
    /// there.
    #[serde(rename = "folder")]
    pub dir: PathBuf,
    /// The directory of the sockets and the shim's process ID: `shim.sock`, `tether.sock`, `shim.pid`. The shim makes
    /// and removes it.
    pub sockets: PathBuf,
    /// The path of QEMU; in tests another program with its arguments.
    pub program: PathBuf,
    /// The path of the uncompressed kernel.
    pub kernel: PathBuf,
    /// The path of the initramfs.
    pub initramfs: PathBuf,
    /// The path of the disk of kernel modules that the guest loads on demand; `None` if it has only those of the
    /// initramfs.
    #[serde(default)]
    pub modules_disk: Option<PathBuf>,
    /// Whether to use KVM; otherwise QEMU emulates the processor.
    pub kvm: bool,
    /// The VM's memory in MiB.
    pub memory_mib: u32,
    /// The VM's number of processors.
    pub cpus: u16,
    /// The path of the image's root file system.
    pub image_disk: PathBuf,
    /// The path of the container's writable disk.
    #[serde(rename = "upper_disk")]
    pub writable_disk: PathBuf,
    /// The directory of a template with the same kernel, memory and processors, of which the VM is a clone; `None` to
    /// boot.
    #[serde(default)]
    pub template: Option<PathBuf>,
    /// The NICs that the VM has from the start.
    pub nics: Vec<Nic>,
    /// The user and group ID, of an ordinary user, that QEMU runs as.
    pub uid: u32,
    /// The cgroup (cgroup v2) for the shim and QEMU, whose bounds are set already; `None` for the cgroup of the
    /// process that started the shim.
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
    /// The container's set-up and process, for the guest's init.
    pub start: Start,
    /// The most bytes of one file of the log.
    pub log_bytes: u64,
    /// The most files of the log that are kept.
    pub log_files: u32,
    /// The time from QEMU's start until init must have answered, in milliseconds.
    pub boot_deadline_ms: u64,
}

/// A NIC of the VM, and its tap on the VCH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The NIC's ID, for QEMU and for later requests: a letter, then letters and digits.
    pub id: String,
    /// The MAC address that the guest sees as the permanent one.
    pub mac: [u8; 6],
    /// The tap's name in the network namespace of the shim.
    pub tap: String,
}

/// The reason for which a launch can't be read.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// Standard input can't be read.
    #[error("the launch can't be read from standard input")]
    Read(#[from] std::io::Error),
    /// The input is too long.
    #[error("the launch has more than {MAX_LAUNCH} bytes")]
    TooLong,
    /// The input is not a launch.
    #[error("standard input holds no launch of this version")]
    Malformed(#[from] serde_json::Error),
}

impl Launch {
    /// Reads a launch, up to the end of the input.
    ///
    /// # Errors
    /// Returns [`LaunchError::Read`] if reading fails, [`LaunchError::TooLong`] if there are too
    /// many bytes, [`LaunchError::Malformed`] if they are not a launch.
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
