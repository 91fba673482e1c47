//! Root file systems, made once for each image.

use super::{Image, ImageError, Inner, Staging, Store, adopt, failed, index};
use crate::digest::Digest;
use crate::job::{Job, ROOTFS, layer_file};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};

impl Store {
    /// The root file system of an image, a read-only squashfs. Made if it is not there; whoever asks
    /// meanwhile waits for it.
    pub async fn rootfs(&self, image: &Digest) -> Result<PathBuf, ImageError> {
        let path = index::rootfs(&self.inner.settings.folder, image);
        let found = self.images().get(image).cloned();
        let found = found.ok_or_else(|| ImageError::Unknown(image.to_string()))?;
        let alone = self.inner.alone(Some(*image)).await;
        let _alone = alone.lock().await;
        if tokio::fs::try_exists(&path)
            .await
            .map_err(failed("read", &path))?
        {
            return Ok(path);
        }
        let staging = Staging::new(&self.inner.settings)?;
        link(&self.inner, &found, &staging)?;
        let layers = found.config.rootfs.diff_ids.clone();
        // Nobody is told of the progress: the first container of an image waits for it.
        let (progress, _) = mpsc::channel(1);
        let job = Job::Rootfs { layers };
        self.ask(&staging, job, tokio::io::empty(), &progress)
            .await?;
        let target = path.clone();
        self.blocking(move |inner| {
            let made = adopt::own(&staging.path, ROOTFS)?;
            let synced = File::open(&made).and_then(|file| file.sync_all());
            synced.map_err(failed("write", &made))?;
            // Under the lock of the images: one that was removed meanwhile leaves no root file system.
            let images = inner.images();
            if !images.contains_key(&found.id) {
                return Err(ImageError::Unknown(found.id.to_string()));
            }
            fs::rename(&made, &target).map_err(failed("make", &target))?;
            index::sync(&inner.settings.folder.join("rootfs"))
        })
        .await?;
        Ok(path)
    }
}

/// Links an image's layers into a helper's folder, where it can read them and change nothing.
fn link(inner: &Inner, image: &Image, staging: &Staging) -> Result<(), ImageError> {
    for (n, layer) in image.layers.iter().enumerate() {
        let source = index::blob(&inner.settings.folder, &layer.digest);
        fs::hard_link(&source, staging.path.join(layer_file(n)))
            .map_err(failed("link", &source))?;
    }
    Ok(())
}

impl Inner {
    /// What only one at a time may make.
    pub(super) async fn alone(&self, what: Option<Digest>) -> Arc<Mutex<()>> {
        let mut making = self.making.lock().await;
        // Those that nobody holds any more.
        making.retain(|_, held| Arc::strong_count(held) > 1);
        Arc::clone(making.entry(what).or_default())
    }
}
