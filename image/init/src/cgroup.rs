//! The cgroup of the container's processes (the kernel's `admin-guide/cgroup-v2`).

use nix::unistd::Pid;
use std::{fs, io, path::Path};

/// Its folder.
pub const FOLDER: &str = "/sys/fs/cgroup/container";

/// Makes it. Controllers that the kernel lacks are missed only by whoever asks for their figures.
pub fn make() -> io::Result<()> {
    for controller in ["+memory", "+pids", "+cpu", "+io"] {
        let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", controller);
    }
    fs::create_dir_all(FOLDER)
}

/// Puts the calling process into it, as whoever is about to become one of the container.
pub fn enter() -> io::Result<()> {
    write("cgroup.procs", "0")
}

/// Ends every process in it.
pub fn kill() {
    // Where there is none left nothing is to be done.
    let _ = write("cgroup.kill", "1");
}

/// The processes in it.
pub fn processes() -> Vec<Pid> {
    let text = read("cgroup.procs");
    let numbers = text.lines().filter_map(|line| line.parse().ok());
    numbers.map(Pid::from_raw).collect()
}

/// How often the kernel killed one of them for want of memory.
pub fn killed_for_memory() -> u64 {
    value(&read("memory.events"), "oom_kill")
}

/// What one of its files says; nothing where the kernel has no such file.
pub fn read(file: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(file)).unwrap_or_default()
}

fn write(file: &str, text: &str) -> io::Result<()> {
    fs::write(Path::new(FOLDER).join(file), text)
}

/// A number of a file of `name value` lines; 0 where it has none.
pub fn value(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(key, _)| *key == name);
    found
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}
