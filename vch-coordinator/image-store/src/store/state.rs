//! The store's state in memory, and the rules for changing it.
//!
//! Readers copy a pointer and wait for no disk. `index.json` is written by one thread at a time, where blocking is
//! allowed. Blobs are hashed, synced and renamed without any lock: a lease keeps them from being removed meanwhile, and
//! a removal holds the lock of the leases only while it renames files.

use super::contents::{Images, StoreState};
use super::{Image, ImageError, Settings, find, index, staging};
use crate::digest::Digest;
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Inner {
    /// The settings of the store.
    pub settings: Settings,
    /// Replaced as a whole. Locked for no longer than the pointer's copy takes.
    state: RwLock<Arc<StoreState>>,
    /// Held while index.json is changed, over its fsync.
    index: Mutex<()>,
    /// How many use a blob, or an image's root file system, that index.json need not name yet.
    leases: Mutex<BTreeMap<Digest, usize>>,
    /// A lock for each root file system that is being made, by image, and with `None` for the empty
    /// disk.
    pub making: tokio::sync::Mutex<BTreeMap<Option<Digest>, Arc<tokio::sync::Mutex<()>>>>,
    /// The user IDs of the helper processes.
    pub users: staging::Users,
    removed: AtomicU64,
}

impl Inner {
    /// Returns the state of a store whose index.json names these images.
    pub fn new(settings: Settings, state: StoreState) -> Self {
        Self {
            users: staging::Users::new(settings.first_user),
            state: RwLock::new(Arc::new(state)),
            index: Mutex::default(),
            leases: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            removed: AtomicU64::new(0),
            settings,
        }
    }

    /// Returns the present state.
    pub fn state(&self) -> Arc<StoreState> {
        let state = self.state.read();
        Arc::clone(&state)
    }

    /// Changes the images that index.json names: on disk first, then in memory. Blocks for as long as the disk takes,
    /// and as long as other changes take.
    ///
    /// # Errors
    /// Returns the error of `decide`, or [`ImageError`] if index.json can't be written; nothing has
    /// changed then.
    pub fn change<T>(
        &self,
        decide: impl FnOnce(&mut Images) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        // A panic leaves nothing half done: what is changed is a copy.
        let _alone = self.index.lock();
        let mut changed = StoreState::clone(&self.state());
        index::read_again(&self.settings, &mut changed);
        let done = decide(&mut changed.images)?;
        self.commit(changed)?;
        Ok(done)
    }

    /// Tries again to read the images that could not be read.
    ///
    /// # Errors
    /// Returns [`ImageError`] if index.json can't be written. An image that still can't be read is
    /// no error.
    pub fn read_again(&self) -> Result<(), ImageError> {
        if self.state().unreadable.is_empty() {
            return Ok(());
        }
        self.change(|_| Ok(()))
    }

    /// Returns the IDs of images that have all of their layers. Blocks.
    ///
    /// # Errors
    /// Returns [`ImageError`] if a layer can't be read.
    pub fn whole_images(&self) -> Result<Vec<Digest>, ImageError> {
        let state = self.state();
        let mut whole = Vec::new();
        for (id, image) in &state.images {
            if index::is_whole(&self.settings.dir, image)? {
                whole.push(*id);
            }
        }
        Ok(whole)
    }

    fn commit(&self, changed: StoreState) -> Result<(), ImageError> {
        let images = changed.images.values();
        index::write(&self.settings.dir, images, &changed.unreadable)?;
        let mut state = self.state.write();
        *state = Arc::new(changed);
        Ok(())
    }

    /// Returns the image of a name, an ID, or the beginning of an ID.
    ///
    /// # Errors
    /// - [`ImageError::Unknown`] if no image has that name or ID.
    /// - [`ImageError::Ambiguous`] if the IDs of several images begin with it.
    pub fn find(&self, text: &str) -> Result<Arc<Image>, ImageError> {
        find(&self.state().images, text)
    }

    fn leases(&self) -> MutexGuard<'_, BTreeMap<Digest, usize>> {
        self.leases.lock()
    }

    /// Removes the blobs and root file systems of these digests that belong to no image and are not leased; returns
    /// their bytes. Those that can't be removed are removed at the next start.
    pub fn discard(&self, digests: impl IntoIterator<Item = Digest>) -> u64 {
        let digests: BTreeSet<Digest> = digests.into_iter().collect();
        if digests.is_empty() {
            return 0;
        }
        let aside = self.move_aside(&digests);
        let mut freed = 0;
        for path in aside {
            let bytes = fs::metadata(&path).map_or(0, |about| about.len());
            match fs::remove_file(&path) {
                Ok(()) => freed += bytes,
                Err(error) => {
                    let path = path.display();
                    tracing::warn!(%error, %path, "a removed file takes room until the next start");
                }
            }
        }
        freed
    }

    /// Renames them into the directory that is swept at the start: their removal may take its time.
    fn move_aside(&self, digests: &BTreeSet<Digest>) -> Vec<PathBuf> {
        let dir = &self.settings.dir;
        let leases = self.leases();
        // Read with the leases locked: a holder has committed before it gave its lease back.
        let state = self.state();
        let named: BTreeSet<Digest> = state
            .images
            .values()
            .flat_map(|image| index::digests(image))
            .collect();
        let unused = |digest: &&Digest| !leases.contains_key(digest);
        let mut aside = Vec::new();
        for digest in digests.iter().filter(unused) {
            let blob = index::blob(dir, digest);
            let rootfs = index::rootfs(dir, digest);
            let blob = (state.unreadable.is_empty() && !named.contains(digest)).then_some(blob);
            let rootfs = (!state.images.contains_key(digest)).then_some(rootfs);
            for path in [blob, rootfs].into_iter().flatten() {
                let number = self.removed.fetch_add(1, Ordering::Relaxed);
                let target = dir.join("staging").join(format!("{number}.removed"));
                match fs::rename(&path, &target) {
                    Ok(()) => aside.push(target),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        let path = path.display();
                        tracing::warn!(%error, %path, "a file of a removed image stays until the next start");
                    }
                }
            }
        }
        aside
    }
}

/// Keeps blobs, and the root file systems of images with these IDs, from being removed. At the end of the last lease of
/// a blob it is removed, unless an image of index.json has it.
pub(super) struct Lease {
    inner: Arc<Inner>,
    digests: BTreeSet<Digest>,
}

impl Lease {
    /// Takes a lease of the blobs with these digests.
    pub fn new(inner: &Arc<Inner>, digests: impl IntoIterator<Item = Digest>) -> Self {
        let mut lease = Self {
            inner: Arc::clone(inner),
            digests: BTreeSet::new(),
        };
        lease.add(digests);
        lease
    }

    /// Adds the blobs with these digests to the lease.
    pub fn add(&mut self, digests: impl IntoIterator<Item = Digest>) {
        let mut leases = self.inner.leases();
        for digest in digests {
            if self.digests.insert(digest) {
                *leases.entry(digest).or_default() += 1;
            }
        }
    }

    /// Ends the lease on this thread, where waiting for the disk is allowed; returns the bytes that became free.
    pub fn release(mut self) -> u64 {
        let digests = self.end();
        self.inner.discard(digests)
    }

    /// Ends the lease; returns the digests that no image names.
    fn end(&mut self) -> BTreeSet<Digest> {
        let mut leases = self.inner.leases();
        let digests = std::mem::take(&mut self.digests);
        for digest in &digests {
            if let Some(count) = leases.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    leases.remove(digest);
                }
            }
        }
        drop(leases);
        let state = self.inner.state();
        let images = state.images.values();
        let named: BTreeSet<_> = images.flat_map(|image| index::digests(image)).collect();
        digests.difference(&named).copied().collect()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let digests = self.end();
        if !digests.is_empty() {
            let inner = Arc::clone(&self.inner);
            staging::off_runtime(move || {
                inner.discard(digests);
            });
        }
    }
}
