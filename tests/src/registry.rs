//! The register of the objects that this test process made (processes, namespaces, directories), so that a signal
//! handler or the next run can remove those that `Drop` could not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Names of all that outlives a process begin so, then come the process id and a number.
const PREFIX: &str = "lab-";
const NAMESPACES: &str = "/run/netns";

static MADE: Mutex<BTreeSet<Made>> = Mutex::new(BTreeSet::new());
static START: Once = Once::new();

/// An object that a test made and that must be removed. It is registered from when it is made until it is removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Made {
    /// A child process, by its process ID. To remove it is to kill it.
    Process(i32),
    /// A network namespace, by its name.
    Namespace(String),
    /// A directory with all of its content.
    Dir(PathBuf),
}

impl Made {
    /// Removes the object. An object that is gone already is no error; other errors are ignored.
    fn remove(&self) {
        match self {
            Self::Process(pid) => {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            Self::Namespace(name) => {
                let path = Path::new(NAMESPACES).join(name);
                let _ = umount2(&path, MntFlags::MNT_DETACH);
                let _ = fs::remove_file(path);
            }
            Self::Dir(path) => {
                for name in names_in(path) {
                    end_shims(&path.join(name));
                }
                detach_all_in(path);
                let _ = fs::remove_dir_all(path);
            }
        }
    }
}

/// Detaches what is mounted below a directory, as [`crate::SmallDisk`] does it.
fn detach_all_in(dir: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mount_points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    for mount_point in mount_points.filter(|mount_point| Path::new(mount_point).starts_with(dir)) {
        let _ = umount2(mount_point, MntFlags::MNT_DETACH);
    }
}

/// Ends the container VMs of a coordinator with this directory: their shims outlive the coordinator, and QEMU ends
/// with its shim.
pub(crate) fn end_shims(coordinator: &Path) {
    let sockets = coordinator.join("run/vms");
    for name in names_in(&sockets) {
        let pid = fs::read_to_string(sockets.join(name).join("shim.pid")).unwrap_or_default();
        let Ok(pid) = pid.trim().parse() else {
            continue;
        };
        // The process ID may be another process's by now.
        let own = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if own.trim() == "vch-shim" {
            Made::Process(pid).remove();
        }
    }
}

/// Returns a name that no other run has; `label` at its end tells a person its purpose.
pub(crate) fn unique(label: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{number}-{label}", std::process::id())
}

/// Registers an object.
pub(crate) fn note(made: Made) {
    START.call_once(|| {
        remove_leftovers();
        watch_signals();
    });
    MADE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(made);
}

/// Removes an object and forgets it.
pub(crate) fn remove(made: &Made) {
    made.remove();
    forget(made);
}

/// Forgets an object that is gone by itself.
pub(crate) fn forget(made: &Made) {
    MADE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(made);
}

/// Returns the objects that this process made and has not removed yet, so that a program can show that nothing is left.
#[must_use]
pub fn existing() -> Vec<Made> {
    MADE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .cloned()
        .collect()
}

fn watch_signals() {
    let Ok(mut signals) = Signals::new([SIGHUP, SIGINT, SIGTERM]) else {
        return;
    };
    let watch = move || {
        if let Some(signal) = signals.forever().next() {
            for made in existing() {
                made.remove();
            }
            drop(signal_hook::low_level::emulate_default_handler(signal));
        }
    };
    drop(
        thread::Builder::new()
            .name("lab-signals".to_owned())
            .spawn(watch),
    );
}

/// Removes the namespaces and directories that earlier test runs left because they were killed, by the process ID in
/// their names. Does not touch those of runs that still go on. The processes of killed runs ended with them (see
/// [`crate::process`]).
pub fn remove_leftovers() {
    for name in names_in(Path::new(NAMESPACES)).filter(|name| is_of_a_dead_run(name)) {
        Made::Namespace(name).remove();
    }
    let dir = std::env::temp_dir();
    for name in names_in(&dir).filter(|name| is_of_a_dead_run(name)) {
        Made::Dir(dir.join(name)).remove();
    }
}

fn names_in(dir: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn is_of_a_dead_run(name: &str) -> bool {
    let pid = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split('-').next());
    pid.and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_run_and_only_a_dead_run_is_cleared() {
        assert!(!is_of_a_dead_run(&unique("x")));
        // Above the largest process id of the kernel (PID_MAX_LIMIT, 4 Mi).
        assert!(is_of_a_dead_run("lab-4194305-0-x"));
        for other in ["lab-", "lab-x-0", "lab-4194305x", "other-4194305-0-x"] {
            assert!(!is_of_a_dead_run(other), "{other}");
        }
    }
}
