//! Disk space reserved behind the end of the store's file: on a full disk containers can still end and be removed.

use super::StoreError;
use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
};
use std::{
    fs::{File, OpenOptions},
    path::Path,
};

/// Bytes to reserve: redb writes new pages before it frees the old ones, some of them for each row.
const ROOM: u64 = 4 << 20;

/// A second descriptor of the store's file, to reserve space with.
pub(super) struct Reserve {
    file: File,
    /// The file's length in bytes when space was reserved last.
    reserved_at: Option<u64>,
}

impl Reserve {
    /// Opens the store's existing file, and reserves disk space behind its end.
    ///
    /// # Errors
    /// Returns [`StoreError::Directory`] if the file can't be opened.
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
        // A full disk is noticed by the first group that adds something.
        let _ = reserve.keep();
        Ok(reserve)
    }

    /// Reserves the space again if the file's length has changed. Returns whether a transaction that adds something may
    /// be written: `false` on a full disk, where the remaining space is for removals. A file system that can't reserve
    /// space counts as having room.
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
