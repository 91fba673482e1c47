//! Room behind the store's file that nobody else takes: on a full disk containers still end and are removed.

use super::StoreError;
use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
};
use std::{
    fs::{File, OpenOptions},
    path::Path,
};

/// Bytes: redb writes pages anew before it gives the old ones back, some of them for each row.
const ROOM: u64 = 4 << 20;

/// The store's file once more, to reserve room with.
pub(super) struct Reserve {
    file: File,
    /// The length at which room was reserved last.
    reserved_at: Option<u64>,
}

impl Reserve {
    /// Of the store's file, which is there.
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let opened = OpenOptions::new().write(true).open(path);
        let file = opened.map_err(|source| StoreError::Directory {
            path: path.to_owned(),
            source,
        })?;
        let mut reserve = Self {
            file,
            reserved_at: None,
        };
        // Whether there was room is asked by whoever needs some.
        let _ = reserve.keep();
        Ok(reserve)
    }

    /// Reserves it anew where the file has grown or shrunk. Whether there is room for what is new: on a full disk the
    /// rest is for what goes. A file system that knows no reserving is taken to have it.
    pub fn keep(&mut self) -> bool {
        let Ok(length) = self.file.metadata().map(|found| found.len()) else {
            return true;
        };
        if self.reserved_at == Some(length) {
            return true;
        }
        let wanted = i64::try_from(length + ROOM).unwrap_or(i64::MAX);
        match fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, wanted) {
            Ok(()) => self.reserved_at = Some(length),
            Err(Errno::ENOSPC | Errno::EDQUOT) => return false,
            Err(error) => tracing::debug!(%error, "no room is reserved for the store"),
        }
        true
    }
}
