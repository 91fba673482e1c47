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
    time::Duration,
};
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

/// The cgroups of VMs.
#[derive(Clone, Debug)]
pub struct Cgroups {
    /// The directory of the VMs' cgroups, or the reason for which VMs have none.
    dir: Result<PathBuf, String>,
}

impl Cgroups {
    /// Makes sure of their directory, and removes those of VMs that have ended.
    pub fn open(mount: &Path) -> Self {
        let dir = prepare(mount);
        if let Ok(dir) = &dir {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                // The kernel keeps one that has processes.
                let _ = fs::remove_dir(entry.path());
            }
        }
        Self { dir }
    }

    /// Why VMs have no bounds; `None` where they have.
    pub fn unlimited(&self) -> Option<&str> {
        self.dir.as_ref().err().map(String::as_str)
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

/// The directory of all VMs, whose children have the controllers.
fn prepare(mount: &Path) -> Result<PathBuf, String> {
    let file = mount.join("cgroup.controllers");
    let there = fs::read_to_string(&file).map_err(|error| {
        format!(
            "{}: {error}: the host does not mount cgroup v2 there",
            file.display()
        )
    })?;
    let missing = |name: &&&str| !there.split_whitespace().any(|one| one == **name);
    let missing: Vec<&str> = CONTROLLERS.iter().filter(missing).copied().collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(format!(
            "{}: no {missing}: boot the host with cgroup v2 alone (systemd.unified_cgroup_hierarchy=1)",
            file.display()
        ));
    }
    let dir = mount.join(DIR);
    let told = |(path, error): (PathBuf, io::Error)| format!("{}: {error}", path.display());
    let on = CONTROLLERS.map(|name| format!("+{name}")).join(" ");
    write(&mount.join("cgroup.subtree_control"), &on).map_err(told)?;
    match fs::create_dir(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(told((dir, error)));
        }
        _ => {}
    }
    write(&dir.join("cgroup.subtree_control"), &on).map_err(told)?;
    Ok(dir)
}

fn write(path: &Path, value: &str) -> Result<(), (PathBuf, io::Error)> {
    fs::write(path, value).map_err(|error| (path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Cgroups};
    use protocol::process::CpuMax;
    use std::{fs, path::Path};
    use vch_ledger::{ContainerId, Id};

    const BOUNDS: Bounds = Bounds {
        memory_mib: 256,
        emulated: false,
        cpus: 2,
        cpu_max: Some(CpuMax {
            quota_us: 50_000,
            period_us: 100_000,
        }),
    };

    fn container() -> ContainerId {
        ContainerId::from_bytes([0xab; 32])
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_vm_has_its_memory_and_what_qemu_needs_and_its_processors() {
        assert_eq!(
            BOUNDS.files(),
            [
                ("memory.max", (512_u64 << 20).to_string()),
                ("pids.max", "130".to_owned()),
                ("cpu.max", "300000 100000".to_owned()),
            ]
        );
        let emulated = Bounds {
            emulated: true,
            ..BOUNDS
        };
        assert_eq!(emulated.files()[0].1, (1536_u64 << 20).to_string());
        assert_eq!(BOUNDS.running(), "50000 100000");
        let asks = |cpu_max| Bounds { cpu_max, ..BOUNDS }.running();
        assert_eq!(asks(None), "300000 100000");
        let least = CpuMax {
            quota_us: 1,
            period_us: 50_000,
        };
        assert_eq!(asks(Some(least)), "1000 50000", "the kernel's least");
    }

    #[tokio::test]
    async fn cgroups_are_made_bounded_and_removed_below_the_mount() {
        let mount = tempfile::tempdir().unwrap();
        let at = |name: &str| mount.path().join(name);
        fs::write(at("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
        let stale = at("vch").join("stale");
        fs::create_dir_all(&stale).unwrap();
        let cgroups = Cgroups::open(mount.path());
        assert_eq!(cgroups.unlimited(), None);
        assert!(!stale.exists());
        for dir in ["", "vch"] {
            let control = read(&at(dir).join("cgroup.subtree_control"));
            assert_eq!(control, "+cpu +memory +pids");
        }
        let own = cgroups.make(container(), &BOUNDS).unwrap().unwrap();
        assert_eq!(own, at("vch").join("ab".repeat(32)));
        assert_eq!(read(&own.join("cpu.max")), "300000 100000");
        cgroups.run(container(), &BOUNDS).unwrap();
        assert_eq!(read(&own.join("cpu.max")), "50000 100000");
        cgroups.make(container(), &BOUNDS).unwrap();
        // The kernel's files go with their directory; these do not.
        for file in fs::read_dir(&own).unwrap().flatten() {
            fs::remove_file(file.path()).unwrap();
        }
        cgroups.clone().remove(container()).await;
        assert!(!own.exists());
        cgroups.run(container(), &BOUNDS).unwrap();
        cgroups.remove(container()).await;
    }

    #[test]
    fn a_host_without_controllers_is_told_of_with_a_remedy() {
        let mount = tempfile::tempdir().unwrap();
        let none = Cgroups::open(mount.path());
        assert!(
            none.unlimited()
                .unwrap()
                .contains("does not mount cgroup v2")
        );
        fs::write(mount.path().join("cgroup.controllers"), "hugetlb cpu\n").unwrap();
        let some = Cgroups::open(mount.path());
        let reason = some.unlimited().unwrap();
        assert!(
            reason.contains("no memory, pids: boot the host"),
            "{reason}"
        );
        assert_eq!(some.make(container(), &BOUNDS).unwrap(), None);
        some.run(container(), &BOUNDS).unwrap();
        assert!(!mount.path().join("vch").exists());
    }
}
