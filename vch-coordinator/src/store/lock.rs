//! One coordinator a store.

use super::StoreError;
use nix::fcntl::{Flock, FlockArg};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::Path,
};

/// Held for as long as the store is open; the kernel lets it go with the process.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock alone")] Flock<File>);

impl Lock {
    /// Takes the lock, and writes our process into its file so that a second coordinator can name us.
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let io = |source| StoreError::Directory {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        let mut holder = String::new();
        (&mut file)
            .take(32)
            .read_to_string(&mut holder)
            .map_err(io)?;
        let mut file =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| StoreError::InUse {
                dir: dir.to_owned(),
                holder: holder.trim().to_owned(),
            })?;
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        write!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self(file))
    }
}
