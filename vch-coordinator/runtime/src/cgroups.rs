//! Limits each VM's use of the host: each VM has a cgroup of its own (the kernel's
//! `admin-guide/cgroup-v2`).
//!
//! ```text
//!   /sys/fs/cgroup/vch/CONTAINER   memory.max, cpu.max, pids.max: of the VM's shim and its QEMU together
//! ```
//!
//! The cgroups are siblings of systemd's, like those of Docker's `cgroupfs` driver, so that VMs
//! outlive the coordinator's unit. Only the unified hierarchy (cgroup v2) is used. Without it, or
//! without one of the three controllers, VMs have no such limits, and `vchctl status` says so.

use protocol::process::CpuMax;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use vch_ledger::ContainerId;

/// The directory at which hosts mount cgroup v2 (file-hierarchy(7)).
pub const MOUNT: &str = "/sys/fs/cgroup";
/// The directory of all VMs' cgroups, relative to the mount.
const DIR: &str = "vch";
/// The controllers that the limits need.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
/// The period of `cpu.max`, in microseconds: the kernel's default.
const PERIOD_US: u64 = 100_000;
/// The smallest quota of `cpu.max` that the kernel accepts, in microseconds.
const LEAST_QUOTA_US: u64 = 1_000;
/// Memory in bytes for QEMU, the shim and the page cache of the VM's disk, beside the guest's
/// memory.
const OVERHEAD: u64 = 256 << 20;
/// Additional memory in bytes with emulation: QEMU's cache of translated code takes up to 1 GiB
/// (`tcg_init_ctx`).
const EMULATION: u64 = 1 << 30;
/// Threads beside those of the guest's processors: QEMU has a main loop and up to 64 threads for
/// disk I/O; the shim has one.
const TASKS: u64 = 128;
/// The pause before trying again to remove a cgroup that still has processes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The number of tries to remove a cgroup: a shim serves its last readers for 10 s.
const TRIES: u32 = 30;

/// The size of a VM, from which the limits of its cgroup on the host follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The guest's memory, in MiB.
    pub memory_mib: u32,
    /// Whether QEMU emulates the guest's processors, instead of using KVM. Emulation needs up to 1
    /// GiB more memory.
    pub emulated: bool,
    /// The number of the guest's processors.
    pub cpus: u16,
    /// The processor time that the container may use; `None` if it set no limit.
    pub cpu_max: Option<CpuMax>,
}

impl Bounds {
    /// Returns the cgroup files to write before the VM starts, each with its value.
    fn files(&self) -> [(&'static str, String); 3] {
        let emulation = if self.emulated { EMULATION } else { 0 };
        let memory = (u64::from(self.memory_mib) << 20) + OVERHEAD + emulation;
        let tasks = TASKS + u64::from(self.cpus);
        [
            ("memory.max", memory.to_string()),
            ("pids.max", tasks.to_string()),
            // A guest that boots with less processor time may miss the boot deadline.
            ("cpu.max", quota(self.whole_us(), PERIOD_US)),
        ]
    }

    /// Returns the value of `cpu.max` for a VM whose container's process runs.
    fn running(&self) -> String {
        match self.cpu_max {
            Some(CpuMax {
                quota_us,
                period_us,
            }) => quota(quota_us, period_us),
            None => quota(self.whole_us(), PERIOD_US),
        }
    }

    /// Returns the quota in microseconds for all of the guest's processors and one more for the
    /// other threads of QEMU and the shim.
    fn whole_us(&self) -> u64 {
        (u64::from(self.cpus) + 1) * PERIOD_US
    }
}

fn quota(quota_us: u64, period_us: u64) -> String {
    format!("{} {period_us}", quota_us.max(LEAST_QUOTA_US))
}

/// The reason for which VMs run without the limits of cgroups.
#[derive(Debug, Error)]
pub enum CgroupsError {
    /// cgroup v2 is not mounted at the expected directory.
    #[error("{}: the host does not mount cgroup v2 there", file.display())]
    NotMounted {
        /// The path of the file that is missing, `cgroup.controllers`.
        file: PathBuf,
        /// The error of reading the file.
        #[source]
        source: io::Error,
    },
    /// The kernel offers cgroup v2 without one of the controllers `cpu`, `memory` and `pids`: it
    /// lacks the controller, or cgroup v1 uses it.
    #[error(
        "{}: no {missing}: boot the host with cgroup v2 alone (systemd.unified_cgroup_hierarchy=1)",
        file.display()
    )]
    NoController {
        /// The path of the file that lists the kernel's controllers, `cgroup.controllers`.
        file: PathBuf,
        /// The missing controllers, separated by commas.
        missing: String,
    },
    /// A cgroup file or directory cannot be written.
    #[error("{}", path.display())]
    File {
        /// The path of the file or directory.
        path: PathBuf,
        /// The error of writing.
        #[source]
        source: io::Error,
    },
}

impl From<(PathBuf, io::Error)> for CgroupsError {
    fn from((path, source): (PathBuf, io::Error)) -> Self {
        Self::File { path, source }
    }
}

/// The directory that contains a cgroup for each VM, or the reason for which VMs have no cgroups.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cgroups {
    /// The directory of the VMs' cgroups, or the reason that VMs have none.
    dir: Result<PathBuf, Arc<CgroupsError>>,
}

impl Cgroups {
    /// Creates the directory of all VMs' cgroups below `mount` (see [`MOUNT`]), enables the
    /// controllers, and removes the cgroups of VMs that have ended. If this fails, VMs run without
    /// limits, and [`unlimited`](Self::unlimited) returns the reason.
    pub fn open(mount: &Path) -> Self {
        let dir = prepare(mount).map_err(Arc::new);
        if let Ok(dir) = &dir {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                // The kernel refuses to remove a cgroup that has processes.
                let _ = fs::remove_dir(entry.path());
            }
        }
        Self { dir }
    }

    /// Returns the reason for which VMs have no limits; `None` if they have limits.
    pub fn unlimited(&self) -> Option<&CgroupsError> {
        self.dir.as_ref().err().map(Arc::as_ref)
    }

    /// Creates a VM's cgroup, with the limits that apply while the VM boots. If the cgroup exists,
    /// only its limits are set again. Returns the cgroup's path; `None` if VMs have no cgroups.
    ///
    /// # Errors
    /// Returns the path of the file or directory that cannot be written, with the kernel's error.
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

    /// Sets the processor limit of a VM whose container's process runs. Until then the VM may use
    /// all of its processors, so that it boots in time. Does nothing if the VM has no cgroup.
    ///
    /// # Errors
    /// Returns the path of the file that cannot be written, with the kernel's error.
    pub fn run(&self, container: ContainerId, bounds: &Bounds) -> Result<(), (PathBuf, io::Error)> {
        match self.of(container) {
            // A VM that an older release started has no cgroup.
            Some(own) if own.exists() => write(&own.join("cpu.max"), &bounds.running()),
            _ => Ok(()),
        }
    }

    /// Removes the cgroup of a VM that has ended. Tries once a second for 30 s, until the VM's
    /// processes are gone; then only logs the failure.
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
        tracing::warn!(cgroup = %own.display(), "cgroup of an ended VM not removed: it still has processes");
    }

    fn of(&self, container: ContainerId) -> Option<PathBuf> {
        let dir = self.dir.as_ref().ok()?;
        Some(dir.join(container.to_string()))
    }
}

/// Creates the directory of all VMs' cgroups, and enables the controllers for its children.
///
/// # Errors
/// Returns [`CgroupsError`] if cgroup v2 or a controller is missing, or if a file cannot be written.
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
