//! The cgroup of the container's processes in its VM (the kernel's `admin-guide/cgroup-v2`).

use nix::unistd::Pid;
use protocol::process::CgroupLimits;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The directory of the cgroup's parent, to which the device program is attached: a container that manages its own
/// cgroup tree can't remove the program.
pub const PARENT: &str = "/sys/fs/cgroup/vch";
/// The directory of the container's cgroup.
pub const DIR: &str = "/sys/fs/cgroup/vch/container";
/// Most cgroups that are looked at for their processes: a container may make any number.
const MOST_BELOW: usize = 1024;
const ROOT: &str = "/sys/fs/cgroup";

/// Makes the container's cgroup, and enables the controllers that the kernel has.
///
/// # Errors
/// Returns the system's error if a directory can't be made.
pub fn make() -> io::Result<()> {
    fs::create_dir_all(PARENT)?;
    for parent in [ROOT, PARENT] {
        for controller in ["+memory", "+pids", "+cpu", "+io", "+cpuset"] {
            let _ = fs::write(Path::new(parent).join("cgroup.subtree_control"), controller);
        }
    }
    fs::create_dir_all(DIR)
}

/// Sets all limits of the cgroup. A limit that is not given is removed. Returns a message for each limit that the
/// kernel refused.
pub fn limit(limits: &CgroupLimits) -> Vec<String> {
    let written = values(limits).into_iter().filter_map(|(file, value)| {
        let error = match write(file, &value) {
            // The list of a cgroup with processes cannot be emptied: all that there is stands for no bound.
            Err(error) if value == NO_LIST && error.kind() == io::ErrorKind::StorageFull => {
                let all = Path::new(PARENT).join(format!("{file}.effective"));
                let done = fs::read_to_string(all).and_then(|all| write(file, &all));
                done.err()?
            }
            done => done.err()?,
        };
        let default = DEFAULTS.contains(&(file, &*value));
        // Without its controller no bound is what the cgroup has.
        let absent = default && error.kind() == io::ErrorKind::NotFound;
        (!absent).then(|| format!("{file}={}: {error}", value.trim()))
    });
    written.collect()
}

/// The files of the bounds, and the text of each in a cgroup without bounds.
const DEFAULTS: [(&str, &str); 7] = [
    ("memory.max", "max"),
    ("memory.low", "0"),
    ("pids.max", "max"),
    ("cpu.weight", "100"),
    ("cpu.max", "max 100000"),
    ("cpuset.cpus", NO_LIST),
    ("cpuset.mems", NO_LIST),
];
/// The kernel ignores an empty write: a line is written instead.
const NO_LIST: &str = "\n";

/// Returns each file, and the text to be written to it.
fn values(limits: &CgroupLimits) -> [(&'static str, String); 7] {
    let CgroupLimits {
        memory,
        memory_low,
        tasks,
        cpu_weight,
        cpu_max,
        cpus,
        memory_nodes,
    } = limits;
    let list = |list: &String| Some(list.clone()).filter(|list| !list.is_empty());
    let values = [
        memory.map(|bytes| bytes.to_string()),
        memory_low.map(|bytes| bytes.to_string()),
        tasks.map(|count| count.to_string()),
        cpu_weight.map(|weight| weight.to_string()),
        cpu_max.map(|max| format!("{} {}", max.quota_us, max.period_us)),
        list(cpus),
        list(memory_nodes),
    ];
    let mut values = values.into_iter();
    DEFAULTS.map(|(file, default)| {
        let value = values.next().flatten();
        (file, value.unwrap_or_else(|| default.to_owned()))
    })
}

/// Moves the calling process into the cgroup. A container that manages cgroups of its own may have no process in this
/// cgroup itself: then the process joins the cgroup of the container's `first` process.
///
/// # Errors
/// Returns the system's error if the cgroup was removed, or if the kernel refuses the process.
pub fn enter(first: Option<Pid>) -> io::Result<()> {
    match (write("cgroup.procs", "0"), first) {
        (Err(error), Some(first)) if error.kind() == io::ErrorKind::ResourceBusy => {
            let own = fs::read_to_string(format!("/proc/{first}/cgroup"))?;
            let path = own.trim_end().rsplit_once("::/").map(|(_, path)| path);
            let missing = || io::Error::from(io::ErrorKind::NotFound);
            let dir = Path::new(ROOT).join(path.ok_or_else(missing)?);
            fs::write(dir.join("cgroup.procs"), "0")
        }
        (done, _) => done,
    }
}

/// Kills every process of the cgroup by SIGKILL. Does nothing if the cgroup was removed.
pub fn kill() {
    // If the cgroup was removed, nothing is left to kill.
    let _ = write("cgroup.kill", "1");
}

/// Returns the processes of the cgroup, and those of the cgroups that the container made below it, as process IDs in
/// init's PID namespace.
pub fn processes() -> Vec<Pid> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::from(DIR)];
    while let Some(dir) = dirs.pop() {
        // A group that was just removed has no such file.
        let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        let numbers = text.lines().filter_map(|line| line.parse().ok());
        found.extend(numbers.map(Pid::from_raw));
        let below = fs::read_dir(&dir).into_iter().flatten().flatten();
        let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        dirs.extend(below.map(|entry| entry.path()).take(MOST_BELOW));
        if dirs.len() > MOST_BELOW {
            break;
        }
    }
    found
}

/// Returns how many of the container's processes the kernel killed because the container ran out of memory.
pub fn killed_for_memory() -> u64 {
    value(&read("memory.events"), "oom_kill")
}

/// Returns the content of a file of the cgroup, such as `memory.current`; empty if the kernel has no such file.
pub fn read(file: &str) -> String {
    fs::read_to_string(Path::new(DIR).join(file)).unwrap_or_default()
}

/// Writes one of the cgroup's files.
fn write(file: &str, text: &str) -> io::Result<()> {
    // Not to be created: of a file that is not there cgroupfs says then that it may not be made.
    let mut file = File::options()
        .write(true)
        .open(Path::new(DIR).join(file))?;
    file.write_all(text.as_bytes())
}

/// Returns the number behind a name in a text of `name value` lines; 0 if the text does not have the name.
pub fn value(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(key, _)| *key == name);
    found
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
