//! Makes VMs' disks by the coordinator's image store.

use super::{Disks, RuntimeError};
use futures_util::{FutureExt, future::BoxFuture};
use std::path::{Path, PathBuf};
use vch_image_store::{Digest, Store};

impl Disks for Store {
    fn root<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<PathBuf, RuntimeError>> {
        async move {
            let id: Digest = image
                .parse()
                .map_err(|_| RuntimeError::NoImage(image.to_owned()))?;
            Ok(self.rootfs(&id).await?)
        }
        .boxed()
    }

    fn writable_layer<'a>(
        &'a self,
        path: &'a Path,
        bytes: Option<u64>,
    ) -> BoxFuture<'a, Result<(), RuntimeError>> {
        async move { Ok(self.new_writable_layer(path, bytes).await?) }.boxed()
    }
}

#[cfg(test)]
mod tests;
