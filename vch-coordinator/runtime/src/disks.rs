//! Where root file systems come from.

use super::RuntimeError;
use futures_util::future::BoxFuture;
use std::path::{Path, PathBuf};

/// Makes the disks of containers' VMs.
pub trait Disks: Send + Sync {
    /// The image's root file system, a squashfs; made once.
    fn root<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<PathBuf, RuntimeError>>;

    /// An empty ext4 file system at `path`, of `bytes` or the VCH's default, of which only what is written takes room.
    fn writable_layer<'a>(
        &'a self,
        path: &'a Path,
        bytes: Option<u64>,
    ) -> BoxFuture<'a, Result<(), RuntimeError>>;
}
