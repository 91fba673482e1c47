//! Where root file systems come from.

use super::RuntimeError;
use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};
use std::path::{Path, PathBuf};

/// Makes the disks of containers' VMs.
pub trait Disks: Send + Sync {
    /// The image's root file system, a squashfs; made once.
    fn root<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<PathBuf, RuntimeError>>;

    /// An empty ext4 file system of `bytes` at `path`, of which only what is written takes room.
    fn upper<'a>(&'a self, path: &'a Path, bytes: u64) -> BoxFuture<'a, Result<(), RuntimeError>>;
}

/// A VCH without an image store.
#[derive(Clone, Copy, Debug)]
pub struct NoImages;

impl Disks for NoImages {
    fn root<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<PathBuf, RuntimeError>> {
        let error = RuntimeError::Disk(format!("No such image: {image}"));
        future::ready(Err(error)).boxed()
    }

    fn upper<'a>(&'a self, _: &'a Path, _: u64) -> BoxFuture<'a, Result<(), RuntimeError>> {
        let error = RuntimeError::Disk("this VCH has no image store".to_owned());
        future::ready(Err(error)).boxed()
    }
}
