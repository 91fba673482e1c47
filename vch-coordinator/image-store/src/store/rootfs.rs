//! Makes root file systems, once for each image.

use super::staging::{self, Purpose, Staging};
use super::state::{Inner, Lease};
use super::{Image, ImageError, Store, adopt, failed, index};
use crate::digest::Digest;
use crate::job::{Job, ROOTFS, layer_file};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};

impl Store {
    /// Returns the path of the root file system of the image with this ID, a read-only squashfs file in the store.
    /// Makes the file if it does not exist; concurrent callers for the same image wait for it.
    ///
    /// # Errors
    /// - [`ImageError::Unknown`] if no image has the ID.
    /// - [`ImageError::Missing`] if a layer is missing.
    /// - [`ImageError::Helper`] if the helper process fails.
    /// - [`ImageError::Room`] if the disk is nearly full.
    /// - [`ImageError::File`] if a file can't be read or made.
    pub async fn rootfs(&self, id: &Digest) -> Result<PathBuf, ImageError> {
        let path = index::rootfs(&self.inner.settings.dir, id);
        let image = self.image(id).await?;
        let alone = self.inner.alone(Some(*id)).await;
        let _alone = alone.lock().await;
        let there = tokio::fs::try_exists(&path).await;
        if there.map_err(failed("read", &path))? {
            return Ok(path);
        }
        // One that is removed meanwhile leaves no root file system: this ends behind its removal.
        let lease = Lease::new(&self.inner, index::digests(&image));
        let staging = Staging::new(&self.inner.users, &self.inner.settings, Purpose::Making);
        let staging = Arc::new(staging.await?);
        let made = self.make(image, Arc::clone(&staging), path.clone()).await;
        staging::finish(staging).await;
        self.blocking(move |_| Ok(lease.release())).await?;
        made.map(|()| path)
    }

    /// Returns an image by its ID. Images that could not be read at the start are looked for again.
    async fn image(&self, id: &Digest) -> Result<Arc<Image>, ImageError> {
        if let Some(image) = self.inner.state().images.get(id) {
            return Ok(Arc::clone(image));
        }
        self.blocking(|inner| inner.read_again()).await?;
        let state = self.inner.state();
        let image = state.images.get(id).cloned();
        image.ok_or_else(|| ImageError::Unknown(id.to_string()))
    }

    async fn make(
        &self,
        image: Arc<Image>,
        staging: Arc<Staging>,
        target: PathBuf,
    ) -> Result<(), ImageError> {
        let layers = image.config.rootfs.diff_ids.clone();
        let (linked, dir) = (Arc::clone(&image), Arc::clone(&staging));
        self.blocking(move |inner| link(inner, &linked, &dir))
            .await?;
        // Nobody is told of the progress: the first container of an image waits for it.
        let (progress, _) = mpsc::channel(1);
        let job = Job::Rootfs { layers };
        self.ask(&staging, job, tokio::io::empty(), &progress)
            .await?;
        self.blocking(move |inner| {
            let made = adopt::own(&staging.path, ROOTFS)?;
            let synced = File::open(&made).and_then(|file| file.sync_all());
            synced.map_err(failed("write", &made))?;
            fs::rename(&made, &target).map_err(failed("make", &target))?;
            index::sync(&inner.settings.dir.join("rootfs"))?;
            if !inner.state().images.contains_key(&image.id) {
                return Err(ImageError::Unknown(image.id.to_string()));
            }
            Ok(())
        })
        .await
    }
}

/// Links an image's layers into a helper's directory, where it can read them and change nothing.
fn link(inner: &Inner, image: &Image, staging: &Staging) -> Result<(), ImageError> {
    if !index::is_whole(&inner.settings.dir, image)? {
        return Err(ImageError::Missing(image.id.short()));
    }
    for (n, layer) in image.layers.iter().enumerate() {
        let source = index::blob(&inner.settings.dir, &layer.digest);
        fs::hard_link(&source, staging.path.join(layer_file(n)))
            .map_err(failed("link", &source))?;
    }
    Ok(())
}

impl Inner {
    /// Returns the lock under which a root file system, or with `None` the empty disk, is made by
    /// one task at a time.
    pub(super) async fn alone(&self, what: Option<Digest>) -> Arc<Mutex<()>> {
        let mut making = self.making.lock().await;
        // Those that nobody holds any more.
        making.retain(|_, held| Arc::strong_count(held) > 1);
        Arc::clone(making.entry(what).or_default())
    }
}
