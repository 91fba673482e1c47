//! Reads files of a directory, and replaces them as a whole.

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use thiserror::Error;

/// More than the agent ever writes: 256 hosts of at most 300 bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// An open directory below a root file system, such as its `etc`. Symbolic links to it do not lead out of the root, and
/// those in it are not followed.
#[derive(Debug)]
pub struct Dir {
    dir: OwnedFd,
}

/// The reason why a file of a [`Dir`] can't be read or replaced.
#[derive(Debug, Error)]
pub enum DirError {
    /// The directory can't be opened or created.
    #[error("folder {name} can't be opened: {}", .errno.desc())]
    Open {
        /// The directory's name.
        name: String,
        /// The kernel's errno.
        errno: Errno,
    },
    /// An operation on a file failed.
    #[error("{action} {name} fails: {}", .errno.desc())]
    File {
        /// The operation as an English verb, such as "replace".
        action: &'static str,
        /// The file's name.
        name: String,
        /// The kernel's errno.
        errno: Errno,
    },
}

impl DirError {
    /// Returns the kernel's errno as a positive number (errno(3)).
    pub fn errno(&self) -> i32 {
        match self {
            Self::Open { errno, .. } | Self::File { errno, .. } => *errno as i32,
        }
    }
}

impl Dir {
    /// Opens the directory `name` of `root`, and creates it with mode 0755 if it does not exist. Symbolic links in
    /// `name` are followed as if `root` were `/` (openat2(2), `RESOLVE_IN_ROOT`).
    ///
    /// # Errors
    /// Returns [`DirError::Open`] if the directory can't be opened or created.
    pub fn open(root: &Path, name: &str) -> Result<Self, DirError> {
        let refused = |errno| DirError::Open {
            name: name.to_owned(),
            errno,
        };
        let root = File::open(root).map_err(|error| refused(errno_of(&error)))?;
        let how = OpenHow::new()
            .flags(OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let dir = match openat2(&root, name, how) {
            Err(Errno::ENOENT) => {
                mkdirat(&root, name, Mode::from_bits_truncate(0o755)).map_err(refused)?;
                openat2(&root, name, how)
            }
            other => other,
        };
        let dir = dir.map_err(refused)?;
        Ok(Self { dir })
    }

    /// Returns the content of the directory's file `name`, cut to 256 KiB; `None` if the file does not exist or is a
    /// symbolic link.
    ///
    /// # Errors
    /// Returns [`DirError::File`] if the file can't be opened or read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DirError> {
        // A symbolic link is not followed: it is replaced, not what it leads to.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(self.dir.as_fd(), name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT | Errno::ELOOP) => return Ok(None),
            Err(errno) => return Err(refused("open", name)(errno)),
        };
        let mut bytes = Vec::new();
        match file.take(MAX_FILE_BYTES).read_to_end(&mut bytes) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) => Err(refused("read", name)(errno_of(&error))),
        }
    }

    /// Replaces the content of the directory's file `name` with `bytes`, or creates the file with mode 0644. Returns
    /// `true` if it has done so, `false` if the file had this content already. A symbolic link is replaced by a file.
    ///
    /// A reader sees either the old file or the new one. A file that is a mount point, as container engines make these
    /// files, can't be replaced; it is overwritten in place.
    ///
    /// # Errors
    /// Returns [`DirError::File`] if the file can't be read, written or renamed.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<bool, DirError> {
        if self.read(name)?.is_some_and(|present| present == bytes) {
            return Ok(false);
        }
        let beside = format!(".{name}.tether-net");
        match unlinkat(
            self.dir.as_fd(),
            beside.as_str(),
            UnlinkatFlags::NoRemoveDir,
        ) {
            // Left over from a process that was killed, or not there.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(refused("remove", &beside)(errno)),
        }
        let new = OFlag::O_CREAT | OFlag::O_EXCL;
        self.write(&beside, new, bytes)?;
        let (from, to) = (beside.as_str(), name);
        let moved = renameat(self.dir.as_fd(), from, self.dir.as_fd(), to);
        if moved.is_ok() {
            return Ok(true);
        }
        // Whatever went wrong, nothing is left beside; that it was removed is not what is reported.
        let _ = unlinkat(self.dir.as_fd(), from, UnlinkatFlags::NoRemoveDir);
        match moved {
            Err(Errno::EBUSY) => self.write(name, OFlag::O_TRUNC, bytes).map(|()| true),
            Err(errno) => Err(refused("replace", name)(errno)),
            Ok(()) => Ok(true),
        }
    }

    fn write(&self, name: &str, how: OFlag, bytes: &[u8]) -> Result<(), DirError> {
        let flags = how | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(0o644);
        let file = openat(self.dir.as_fd(), name, flags, mode);
        let mut file = File::from(file.map_err(refused("open", name))?);
        // Not synced: after a power failure the agent finds what is there, and writes what is not as it should be.
        file.write_all(bytes)
            .map_err(|error| refused("write", name)(errno_of(&error)))
    }
}

fn refused(action: &'static str, name: &str) -> impl Fn(Errno) -> DirError {
    move |errno| DirError::File {
        action,
        name: name.to_owned(),
        errno,
    }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}
