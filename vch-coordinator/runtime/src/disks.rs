//! The interface to the image store, which makes the disks of VMs.

use super::RuntimeError;
use futures_util::future::BoxFuture;
use std::path::{Path, PathBuf};

/// The interface by which the runtime gets the two disks of a VM when it starts a container. The coordinator's image
/// store ([`vch_image_store::Store`]) implements it.
pub trait Disks: Send + Sync {
    /// Returns the path of the root file system of an image, a read-only squashfs file that all containers of the image
    /// share. Makes the file if it does not exist yet. `image` is the image's ID, a digest (`sha256:…`).
    ///
    /// # Errors
    /// - [`RuntimeError::NoImage`] if `image` is not a digest.
    /// - [`RuntimeError::Image`] if the root file system cannot be made.
    fn root<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<PathBuf, RuntimeError>>;

    /// Creates the file at `path`, where no file may exist, with an empty ext4 file system for what one container
    /// writes. The file system has a size of `bytes`, or the store's default size if `bytes` is `None`. The file is
    /// sparse: only written blocks take room.
    ///
    /// # Errors
    /// Returns [`RuntimeError::Image`] if the file cannot be created.
    fn writable_layer<'a>(
        &'a self,
        path: &'a Path,
        bytes: Option<u64>,
    ) -> BoxFuture<'a, Result<(), RuntimeError>>;
}
