//! The process that holds a lock, as the kernel knows it.

use nix::sys::stat::{major, minor};
use std::{fmt, fs};

/// The process that holds the lock of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process ID; `None` if the kernel does not show the process, since it has just ended or
    /// is in another PID namespace.
    pub pid: Option<u32>,
    /// The name of its program (`comm`), cut by the kernel to 15 bytes; `None` if it is not known.
    pub program: Option<String>,
}

impl Holder {
    pub(super) fn of(device: u64, inode: u64) -> Self {
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        let pid = holder(&locks, device, inode);
        let program = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
        Self {
            pid,
            program: program.map(|name| name.trim_end().to_owned()),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, &self.program) {
            (Some(pid), Some(program)) => write!(f, "process {pid} ({program})"),
            (Some(pid), None) => write!(f, "process {pid}"),
            (None, _) => f.write_str("a process that the kernel does not name"),
        }
    }
}

/// Returns the process that /proc/locks (proc_locks(5)) names as the holder of a file's flock(2)
/// lock. A line is `1: FLOCK  ADVISORY  WRITE 1234 08:01:56789 0 EOF`; the line of a process that
/// waits has `->` behind its number.
pub(super) fn holder(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let file = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, "FLOCK", _, _, pid, held, ..] if held == file => pid.parse().ok(),
            _ => None,
        }
    })
}
