//! One coordinator a store.

use super::StoreError;
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
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
        let mut written = Vec::new();
        (&mut file).take(32).read_to_end(&mut written).map_err(io)?;
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let mut file = locked.map_err(|(_, errno)| match errno {
            Errno::EWOULDBLOCK => StoreError::InUse {
                dir: dir.to_owned(),
                holder: holder(&written),
            },
            other => io(other.into()),
        })?;
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        write!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self(file))
    }
}

/// The process that a lock file names; it may not have written itself yet.
fn holder(written: &[u8]) -> String {
    let text = String::from_utf8_lossy(written);
    match text.trim().parse::<u32>() {
        Ok(pid) => pid.to_string(),
        Err(_) => "of unknown number".to_owned(),
    }
}

#[cfg(test)]
mod tests;
