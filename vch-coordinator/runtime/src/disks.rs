//! The interface to the store that makes VMs' disks.

use super::RuntimeError;
use futures_util::future::BoxFuture;
use std::path::{Path, PathBuf};

/// Makes the disks of containers' VMs.
pub trait Disks: Send + Sync {
    /// Returns the path of an image's root file system, a squashfs file. Makes it if it does not
    /// exist yet.
    ///
    /// # Errors
    /// - [`RuntimeError::NoImage`] if `image` is not a digest.
    /// - [`RuntimeError::Image`] if the root file system cannot be made.
    fn root<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<PathBuf, RuntimeError>>;

    /// Creates an empty ext4 file system at `path`, of `bytes` or the VCH's default size. The file
    /// is sparse: only written blocks take room.
    ///
    /// # Errors
    /// Returns [`RuntimeError::Image`] if the file cannot be created.
    fn writable_layer<'a>(
        &'a self,
        path: &'a Path,
        bytes: Option<u64>,
    ) -> BoxFuture<'a, Result<(), RuntimeError>>;
}
