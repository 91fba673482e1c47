//! One coordinator a store.

use super::StoreError;
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    sys::stat::{major, minor},
};
use std::{
    fmt, fs,
    fs::{File, OpenOptions},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// The lock's file.
pub(super) const FILE: &str = "lock";
/// Its owner reads and writes it. Who can open a file can lock it (flock(2) asks for no more): with the
/// directory's mode it keeps ordinary users from holding the coordinator up.
const MODE: u32 = 0o600;

/// Held for as long as the store is open; the kernel lets it go with the process.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock alone")] Flock<File>);

impl Lock {
    /// Takes the lock of a directory.
    ///
    /// # Errors
    /// [`StoreError::InUse`] names the process that holds it, as the kernel knows it.
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let io = |source| StoreError::Directory {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(&path)
            .map_err(io)?;
        let found = file.metadata().map_err(io)?;
        if found.mode() & 0o777 != MODE {
            file.set_permissions(fs::Permissions::from_mode(MODE))
                .map_err(io)?;
        }
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let file = locked.map_err(|(_, errno)| match errno {
            Errno::EWOULDBLOCK => StoreError::InUse {
                dir: dir.to_owned(),
                holder: Holder::of(found.dev(), found.ino()),
            },
            other => io(other.into()),
        })?;
        Ok(Self(file))
    }
}

/// The process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number; `None` where the kernel does not tell: it has just ended, or is in another PID
    /// namespace.
    pub pid: Option<u32>,
    /// The name of its program, as far as the kernel keeps it (comm).
    pub program: Option<String>,
}

impl Holder {
    fn of(device: u64, inode: u64) -> Self {
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

/// The process that /proc/locks (proc_locks(5)) says to hold the flock(2) lock of a file. A line is
/// `1: FLOCK  ADVISORY  WRITE 1234 08:01:56789 0 EOF`; one that waits has `->` behind its number.
fn holder(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let file = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, "FLOCK", _, _, pid, held, ..] if held == file => pid.parse().ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests;
