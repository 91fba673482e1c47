//! What a shim is told at its start: one JSON object on its standard input.

use protocol::process::Start;
use serde::{Deserialize, Serialize};
use std::{io::Read, path::PathBuf, time::Duration};
use thiserror::Error;
use vch_qemu::Accelerator;

/// Most bytes of a launch: a command line and an environment at their bounds fit.
const MAX_LAUNCH: u64 = 8 << 20;
/// Root ports of a VM, in which its NICs are, and a clone's two disks: room for the 32 networks that a
/// container can be on, and for those that take their time to go.
pub const PORTS: u8 = 40;

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The container's ID, for messages.
    pub container: String,
    /// Its directory, which lasts: the log and how it ended go there.
    #[serde(rename = "folder")]
    pub dir: PathBuf,
    /// Where the sockets go, and the shim's number: `shim.sock`, `tether.sock`, `shim.pid`. Made by the shim, gone with
    /// it.
    pub sockets: PathBuf,
    /// QEMU; for tests another program with its arguments.
    pub program: PathBuf,
    /// The uncompressed kernel.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The disk of kernel modules that the guest loads on demand; `None`: it has no others than those that it boots with.
    #[serde(default)]
    pub modules_disk: Option<PathBuf>,
    /// Whether the host's kernel runs the guest's instructions.
    pub kvm: bool,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Processors.
    pub cpus: u16,
    /// The image's root file system.
    pub image_disk: PathBuf,
    /// What the container writes.
    #[serde(rename = "upper_disk")]
    pub writable_disk: PathBuf,
    /// The directory of a saved VM with the same kernel, memory and processors, of which this one is a clone; `None`
    /// boots.
    #[serde(default)]
    pub template: Option<PathBuf>,
    /// The NICs that it has from the start.
    pub nics: Vec<Nic>,
    /// The ordinary user, and group, that QEMU runs as.
    pub uid: u32,
    /// The cgroup (cgroup v2) of this VM's shim and QEMU, bounded already; `None`: where the shim was started.
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
    /// The container's set-up and process.
    pub start: Start,
    /// Most bytes of one file of the log.
    pub log_bytes: u64,
    /// How many files of the log are kept.
    pub log_files: u32,
    /// From QEMU's start until init answers, milliseconds.
    pub boot_deadline_ms: u64,
}

/// A NIC, and the tap of the VCH that it hangs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// Names it, for QEMU and for later requests: a letter, then letters and digits.
    pub id: String,
    /// What the guest sees as its permanent address.
    pub mac: [u8; 6],
    /// The tap's name in the network namespace of the shim.
    pub tap: String,
}

/// Why a launch can't be read.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// Standard input.
    #[error("the launch can't be read from standard input")]
    Read(#[from] std::io::Error),
    /// It is longer than may be.
    #[error("the launch has more than {MAX_LAUNCH} bytes")]
    TooLong,
    /// It is no launch.
    #[error("standard input holds no launch of this version")]
    Malformed(#[from] serde_json::Error),
}

impl Launch {
    /// Reads one, up to the end of the input.
    ///
    /// # Errors
    /// [`LaunchError`].
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
