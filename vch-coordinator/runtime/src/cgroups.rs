//! Bounds that the host's kernel sets to each VM: a cgroup of its own (the kernel's `admin-guide/cgroup-v2`).
//!
//! ```text
//!   /sys/fs/cgroup/vch/CONTAINER   memory.max, cpu.max, pids.max: its shim and its QEMU
//! ```
//!
//! They lie beside the units of systemd, as those of Docker's `cgroupfs` driver do, so that VMs outlive the
//! coordinator's unit. Only the unified hierarchy is used: where it has no controllers, VMs have no such bounds, and
//! `vchctl status` says so.

use protocol::process::CpuMax;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use vch_ledger::ContainerId;

/// Where the unified hierarchy is mounted (file-hierarchy(7)).
pub const MOUNT: &str = "/sys/fs/cgroup";
/// Of all VMs, below the mount.
const DIR: &str = "vch";
/// What is needed of it.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
/// The kernel's own period for `cpu.max`, microseconds.
const PERIOD_US: u64 = 100_000;
/// The least share of a period that the kernel takes, microseconds.
const LEAST_QUOTA_US: u64 = 1_000;
/// Of QEMU, the shim and the page cache of the VM's disk, beside the guest's memory.
const OVERHEAD: u64 = 256 << 20;
/// Of emulation: QEMU's cache of translated code has up to 1 GiB (`tcg_init_ctx`).
const EMULATION: u64 = 1 << 30;
/// QEMU's threads are its processors, its main loop and up to 64 that read and write disks; the shim has one.
const TASKS: u64 = 128;
/// Between two tries to remove one whose processes are about to end.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A shim serves its last readers for 10 s.
const TRIES: u32 = 30;

/// What a VM may have of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The guest's memory, MiB.
    pub memory_mib: u32,
    /// Whether QEMU translates the guest's code.
    pub emulated: bool,
    /// Processors of the guest.
    pub cpus: u16,
    /// The processor time that its container asked for.
    pub cpu_max: Option<CpuMax>,
}

impl Bounds {
    /// What is written into which file of its cgroup before it starts.
    fn files(&self) -> [(&'static str, String); 3] {
        let emulation = if self.emulated { EMULATION } else { 0 };
        let memory = (u64::from(self.memory_mib) << 20) + OVERHEAD + emulation;
        let tasks = TASKS + u64::from(self.cpus);
        [
            ("memory.max", memory.to_string()),
            ("pids.max", tasks.to_string()),
            // A guest that boots with less may not be there in time.
            ("cpu.max", quota(self.whole_us(), PERIOD_US)),
        ]
    }

    /// `cpu.max` once its container's process runs.
    fn running(&self) -> String {
        match self.cpu_max {
            Some(CpuMax {
                quota_us,
                period_us,
            }) => quota(quota_us, period_us),
            None => quota(self.whole_us(), PERIOD_US),
        }
    }

    /// All of its processors, and one for what QEMU and the shim do beside.
    fn whole_us(&self) -> u64 {
        (u64::from(self.cpus) + 1) * PERIOD_US
    }
}

fn quota(quota_us: u64, period_us: u64) -> String {
    format!("{} {period_us}", quota_us.max(LEAST_QUOTA_US))
}

/// Why the VCH's kernel bounds no VM.
#[derive(Debug, Error)]
pub enum CgroupsError {
    /// There is no file system of cgroup v2.
    #[error("{}: the host does not mount cgroup v2 there", file.display())]
    NotMounted {
        /// The file that is missing.
        file: PathBuf,
        /// Why it is not read.
        #[source]
        source: io::Error,
    },
    /// Controllers are bound to cgroup v1, or not in the kernel.
    #[error(
        "{}: no {missing}: boot the host with cgroup v2 alone (systemd.unified_cgroup_hierarchy=1)",
        file.display()
    )]
    NoController {
        /// The file that lists the controllers.
        file: PathBuf,
        /// Those that are not there, with commas between them.
        missing: String,
    },
    /// A file or directory of cgroups can't be written.
    #[error("{}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl From<(PathBuf, io::Error)> for CgroupsError {
    fn from((path, source): (PathBuf, io::Error)) -> Self {
        Self::File { path, source }
    }
}

/// The cgroups of VMs.
#[derive(Clone, Debug)]
pub struct Cgroups {
    /// The directory of the VMs' cgroups, or the reason for which VMs have none.
    dir: Result<PathBuf, Arc<CgroupsError>>,
}

impl Cgroups {
    /// Makes sure of their directory, and removes those of VMs that have ended.
    pub fn open(mount: &Path) -> Self {
        let dir = prepare(mount).map_err(Arc::new);
        if let Ok(dir) = &dir {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                // The kernel keeps one that has processes.
                let _ = fs::remove_dir(entry.path());
            }
        }
        Self { dir }
    }

    /// Why VMs have no bounds; `None` where they have.
    pub fn unlimited(&self) -> Option<&CgroupsError> {
        self.dir.as_ref().err().map(Arc::as_ref)
    }

    /// Makes a VM's cgroup, or bounds the one that is there anew; `None` where VMs have none.
    ///
    /// # Errors
    /// What the kernel says, with the file.
    pub fn make(
        &self,
        container: ContainerId,
        bounds: &Bounds,
    ) -> Result<Option<PathBuf>, (PathBuf, io::Error)> {
        let Some(own) = self.of(container) else {
            return Ok(None);
        };
        match fs::create_dir(&own) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err((own, error));
            }
            _ => {}
        }
        for (file, value) in bounds.files() {
            write(&own.join(file), &value)?;
        }
        Ok(Some(own))
    }

    /// Bounds a VM whose container's process runs.
    ///
    /// # Errors
    /// What the kernel says, with the file.
    pub fn run(&self, container: ContainerId, bounds: &Bounds) -> Result<(), (PathBuf, io::Error)> {
        match self.of(container) {
            // An older release started it where it is: without bounds.
            Some(own) if own.exists() => write(&own.join("cpu.max"), &bounds.running()),
            _ => Ok(()),
        }
    }

    /// Removes the cgroup of a VM that ends, when its processes have gone.
    pub async fn remove(self, container: ContainerId) {
        let Some(own) = self.of(container) else {
            return;
        };
        for _ in 0..TRIES {
            match fs::remove_dir(&own) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                _ => return,
            }
        }
        tracing::warn!(cgroup = %own.display(), "the cgroup of a VM that has ended stays: processes are in it");
    }

    fn of(&self, container: ContainerId) -> Option<PathBuf> {
        let dir = self.dir.as_ref().ok()?;
        Some(dir.join(container.to_string()))
    }
}

/// Makes sure of the directory of all VMs, whose children have the controllers.
fn prepare(mount: &Path) -> Result<PathBuf, CgroupsError> {
    let file = mount.join("cgroup.controllers");
    let there = match fs::read_to_string(&file) {
        Ok(there) => there,
        Err(source) => return Err(CgroupsError::NotMounted { file, source }),
    };
    let missing = |name: &&&str| !there.split_whitespace().any(|one| one == **name);
    let missing: Vec<&str> = CONTROLLERS.iter().filter(missing).copied().collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(CgroupsError::NoController { file, missing });
    }
    let dir = mount.join(DIR);
    let on = CONTROLLERS.map(|name| format!("+{name}")).join(" ");
    write(&mount.join("cgroup.subtree_control"), &on)?;
    match fs::create_dir(&dir) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            return Err((dir, source).into());
        }
        _ => {}
    }
    write(&dir.join("cgroup.subtree_control"), &on)?;
    Ok(dir)
}

fn write(path: &Path, value: &str) -> Result<(), (PathBuf, io::Error)> {
    fs::write(path, value).map_err(|error| (path.to_owned(), error))
}

#[cfg(test)]
mod tests;
