//! The lock by which one process at a time uses a store.

mod holder;

pub use holder::Holder;

use super::StoreError;
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// The file name of the lock.
pub(super) const FILE: &str = "lock";
/// Its owner reads and writes it. Who can open a file can lock it (flock(2) asks for no more): with the
/// directory's mode it keeps ordinary users from holding the coordinator up.
const MODE: u32 = 0o600;

/// The lock of a directory, held while the store is open; the kernel releases it when the process
/// ends.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock alone")] Flock<File>);

impl Lock {
    /// Takes the lock of the store's directory.
    ///
    /// # Errors
    /// Returns [`StoreError::InUse`] if another process holds the lock, with that process. Returns
    /// [`StoreError::Directory`] if the lock's file can't be created or opened.
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

#[cfg(test)]
mod tests;
