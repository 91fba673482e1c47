//! Finds out whether a container's shim, the process that runs its VM, is alive. A lock proves it; a missing answer
//! proves nothing.
//!
//! A shim holds a record lock (fcntl(2), "Advisory record locking") on `shim.lock` in the container's directory from
//! before it starts anything until the outcome of the run is on disk and its sockets are gone. The kernel names the
//! process that holds the lock, releases it at that process's end for whatever reason, and lets no child inherit it. A
//! look-up takes no lock, so that it can't get in the way of a shim that starts.
//!
//! A shim of release 0.1.0 holds no lock. It is the process that `shim.pid` in its sockets' directory names, if that
//! process is a shim with a file of this container open.

use crate::sockets::PID;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    libc,
};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::{
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};
use thiserror::Error;
use tokio::io::{Interest, unix::AsyncFd};

/// The lock's file. It stays when the shim has ended.
const LOCK: &str = "shim.lock";
/// The program's name as the kernel has it (proc(5), /proc/PID/comm).
const PROGRAM: &str = "vch-shim";

/// Whether a container's shim, the process that runs its VM, is alive.
#[derive(Debug)]
pub enum Liveness {
    /// The shim with this process ID is alive. Its VM may be running.
    Alive(u32),
    /// The shim is not alive, and neither is its VM. The [`Outcome`](crate::Outcome) in the container's directory is
    /// final; if there is no such file, the container was never started or its shim was killed.
    Dead,
    /// This process can't find out, for this reason: no descriptor is free, or a file can't be read. The shim may be
    /// alive or dead.
    Unknown(io::Error),
}

/// Returns whether a container's shim is alive, which it tells from the lock on `shim.lock` in the container's
/// directory `dir`. `sockets` is the directory of its VM's sockets. Both are as in [`Launch`](crate::Launch). Does not
/// connect to the shim.
#[must_use]
pub fn liveness(dir: &Path, sockets: &Path) -> Liveness {
    match holder(dir, sockets) {
        Ok(Some(pid)) => Liveness::Alive(pid),
        Ok(None) => Liveness::Dead,
        Err(error) => Liveness::Unknown(error),
    }
}

/// A shim process and its QEMU that were alive when this value was opened. It holds a pidfd of both, so that another
/// process that gets the same process ID later is never mistaken for them.
#[derive(Debug)]
pub struct ShimProcess {
    pid: u32,
    shim: AsyncFd<OwnedFd>,
    children: Vec<AsyncFd<OwnedFd>>,
}

impl ShimProcess {
    /// Opens the shim process of a container; returns `None` if it is dead. `dir` and `sockets` are as for
    /// [`liveness`]. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// Returns the system's error if this process can't find out, as in [`Liveness::Unknown`].
    pub fn open(dir: &Path, sockets: &Path) -> io::Result<Option<Self>> {
        let Some(pid) = holder(dir, sockets)? else {
            return Ok(None);
        };
        let Some(shim) = process(pid)? else {
            return Ok(None);
        };
        // The number was not yet another process's when the descriptor was opened: at worst the descriptor is of a
        // shim that has ended meanwhile.
        if holder(dir, sockets)? != Some(pid) {
            return Ok(None);
        }
        let mut opened = Vec::new();
        for child in children(pid)? {
            opened.extend(process(child)?.filter(|_| parent(child) == Some(pid)));
        }
        Ok(Some(Self {
            pid,
            shim,
            children: opened,
        }))
    }

    /// Returns the shim's process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends SIGKILL to the shim, which also ends its QEMU. Does nothing if the shim has ended. Does not wait;
    /// [`ended`](Self::ended) does.
    ///
    /// # Errors
    /// Returns the error of pidfd_send_signal(2), such as `EPERM` if the caller lacks the right.
    pub fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(self.shim.get_ref(), Signal::KILL) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// Waits until the shim and its QEMU have ended, by themselves or by [`kill`](Self::kill). Cancel-safe.
    ///
    /// # Errors
    /// Returns an error if the runtime is shutting down.
    pub async fn ended(&self) -> io::Result<()> {
        for process in [&self.shim].into_iter().chain(&self.children) {
            // Readable once the process has ended (pidfd_open(2)).
            let _ended = process.readable().await?;
        }
        Ok(())
    }
}

/// The lock that a shim holds while it is alive. Dropping it, or the end of the process, releases it.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "closing it releases the lock")] File);

/// Another shim is alive.
#[derive(Debug, Error)]
#[error("the container's VM is run by another shim, process {pid}: nothing was started or changed")]
struct Held {
    pid: u32,
}

impl Lock {
    /// Takes the lock of a container's shim for this process. `dir` and `sockets` are as for [`liveness()`].
    ///
    /// # Errors
    /// Returns `ResourceBusy` if another shim of the container is alive, else the error of making or locking the file.
    pub fn take(dir: &Path, sockets: &Path) -> io::Result<Self> {
        let path = dir.join(LOCK);
        let mut options = File::options();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let busy = |pid| io::Error::new(io::ErrorKind::ResourceBusy, Held { pid });
        match fcntl(&file, FcntlArg::F_SETLK(&exclusive())) {
            Err(Errno::EAGAIN | Errno::EACCES) => {
                return Err(busy(locked_by(&file)?.unwrap_or_default()));
            }
            taken => taken?,
        };
        match unlocked(dir, sockets)? {
            Some(pid) if pid != std::process::id() => Err(busy(pid)),
            _ => Ok(Self(file)),
        }
    }
}

/// Returns the process that is a container's shim.
fn holder(dir: &Path, sockets: &Path) -> io::Result<Option<u32>> {
    let locked = match there(File::open(dir.join(LOCK)))? {
        Some(file) => locked_by(&file)?,
        None => None,
    };
    match locked {
        Some(pid) => Ok(Some(pid)),
        // A shim of 0.1.0 may have followed one that had the lock.
        None => unlocked(dir, sockets),
    }
}

fn locked_by(file: &File) -> io::Result<Option<u32>> {
    let mut lock = exclusive();
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    if i32::from(lock.l_type) == libc::F_UNLCK {
        return Ok(None);
    }
    match u32::try_from(lock.l_pid) {
        Ok(pid @ 1..) => Ok(Some(pid)),
        _ => Err(io::Error::other(
            "the container's shim is in a PID namespace that is not this one's",
        )),
    }
}

/// Returns an exclusive lock of a whole file.
fn exclusive() -> libc::flock {
    libc::flock {
        l_type: kind(libc::F_WRLCK),
        l_whence: kind(libc::SEEK_SET),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Constants of fcntl(2) have another type than the fields that they are for.
fn kind(constant: libc::c_int) -> libc::c_short {
    libc::c_short::try_from(constant).unwrap_or_default()
}

/// Returns the process of a shim of release 0.1.0, which holds no lock.
fn unlocked(dir: &Path, sockets: &Path) -> io::Result<Option<u32>> {
    let Some(text) = there(fs::read_to_string(sockets.join(PID)))? else {
        return Ok(None);
    };
    // A shim that was killed before it had written its number.
    let Ok(pid) = text.trim().parse() else {
        return Ok(None);
    };
    let Some(program) = there(fs::read_to_string(proc(pid, "comm")))? else {
        return Ok(None);
    };
    let ours = program.trim_end() == PROGRAM && has_open(pid, dir)?;
    Ok(ours.then_some(pid))
}

/// Returns whether a process has a file below a directory open: a shim has its log and its
/// messages' file open.
fn has_open(pid: u32, dir: &Path) -> io::Result<bool> {
    let Some(dir) = there(fs::canonicalize(dir))? else {
        return Ok(false);
    };
    let Some(descriptors) = there(fs::read_dir(proc(pid, "fd")))? else {
        return Ok(false);
    };
    for descriptor in descriptors {
        let Some(descriptor) = there(descriptor)? else {
            return Ok(false);
        };
        let file = there(fs::read_link(descriptor.path()))?;
        if file.is_some_and(|file| file.starts_with(&dir)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the processes that a process has started.
fn children(pid: u32) -> io::Result<Vec<u32>> {
    let mut all = Vec::new();
    let Some(threads) = there(fs::read_dir(proc(pid, "task")))? else {
        return Ok(all);
    };
    for thread in threads {
        let Some(thread) = there(thread)? else {
            break;
        };
        let listed = there(fs::read_to_string(thread.path().join("children")))?;
        let listed = listed.unwrap_or_default();
        let pids = listed.split_whitespace().map(str::parse::<u32>);
        all.extend(pids.flatten());
    }
    Ok(all)
}

/// Returns a process's parent (proc(5), /proc/PID/status); `None` if the process has ended.
fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(proc(pid, "status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    line?.trim().parse().ok()
}

/// Opens a descriptor of a process; `None` if no process has this ID.
#[expect(
    unsafe_code,
    reason = "tokio has no safe way to wait for a descriptor of another kind than its own"
)]
fn process(pid: u32) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(number) = number else {
        return Ok(None);
    };
    match pidfd_open(number, PidfdFlags::NONBLOCK) {
        Err(rustix::io::Errno::SRCH) => Ok(None),
        opened => {
            // SAFETY: an `OwnedFd` is the same open descriptor until it is dropped, which takes it out first.
            let watched = unsafe { AsyncFd::register_with_interest(opened?, Interest::READABLE) };
            Ok(Some(watched?))
        }
    }
}

fn proc(pid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

/// Returns `None` for an object that does not exist: a file, or a process that has ended.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
