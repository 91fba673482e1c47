//! The staging directories of helper processes, each with a user ID of its own.

use super::{ImageError, Settings, failed, index};
use crate::digest::Digest;
use nix::unistd::geteuid;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Helpers that bring images in at the same time; more wait. Each may take some 500 MiB.
const ARRIVING: usize = 16;
/// Helpers that make root file systems at the same time: a start of a container waits for no pull.
const MAKING: usize = 16;
/// How often the removal of a directory is tried: a helper that was killed a moment ago may still write.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// The purpose of a helper process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The helper brings an image in, or asks a registry.
    Arriving,
    /// The helper makes a root file system.
    Making,
}

/// The user IDs of helper processes: no two that run at the same time have the same.
pub(super) struct Users {
    first: u32,
    taken: Arc<Mutex<BTreeSet<u32>>>,
    arriving: Arc<Semaphore>,
    making: Arc<Semaphore>,
}

/// A user ID, until this is dropped.
struct User {
    id: u32,
    taken: Arc<Mutex<BTreeSet<u32>>>,
    _permit: OwnedSemaphorePermit,
}

impl Users {
    /// Returns user IDs of which none is taken; they are counted from `first`.
    pub fn new(first: u32) -> Self {
        Self {
            first,
            taken: Arc::default(),
            arriving: Arc::new(Semaphore::new(ARRIVING)),
            making: Arc::new(Semaphore::new(MAKING)),
        }
    }

    async fn take(&self, purpose: Purpose) -> Result<User, ImageError> {
        let semaphore = match purpose {
            Purpose::Arriving => &self.arriving,
            Purpose::Making => &self.making,
        };
        let permit = Arc::clone(semaphore).acquire_owned().await;
        let permit = permit.map_err(|_| ImageError::Ending)?;
        let mut taken = self.taken.lock();
        // As many as there are permits are there.
        let id = (self.first..).find(|id| !taken.contains(id));
        let id = id.ok_or(ImageError::Ending)?;
        taken.insert(id);
        Ok(User {
            id,
            taken: Arc::clone(&self.taken),
            _permit: permit,
        })
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        taken.remove(&self.id);
    }
}

/// The staging directory of one helper process. It is removed when this value is dropped.
pub(super) struct Staging {
    /// The path of the directory.
    pub path: PathBuf,
    user: Option<User>,
}

impl Staging {
    /// Makes a staging directory for a helper, whose user ID no other helper has meanwhile. Waits
    /// until one is free.
    ///
    /// # Errors
    /// Returns [`ImageError`] if the directory can't be made, or the coordinator is stopping.
    pub async fn new(
        users: &Users,
        settings: &Settings,
        purpose: Purpose,
    ) -> Result<Self, ImageError> {
        let user = users.take(purpose).await?;
        let dir = settings.dir.clone();
        let made = tokio::task::spawn_blocking(move || Self::make(&dir, user)).await;
        made.map_err(|_| ImageError::Ending)?
    }

    fn make(dir: &Path, user: User) -> Result<Self, ImageError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| ImageError::File {
            operation: "name a folder in",
            path: dir.to_owned(),
            source: io::Error::other(error.to_string()),
        })?;
        let name = Digest::of(&random).hex();
        let path = dir.join("staging").join(&name[..32]);
        fs::create_dir(&path).map_err(failed("make", &path))?;
        let id = user.id;
        let staging = Self {
            path,
            user: Some(user),
        };
        index::mode(&staging.path, 0o700)?;
        if geteuid().is_root() {
            let path = &staging.path;
            chown(path, Some(id), Some(id)).map_err(failed("give away", path))?;
        }
        Ok(staging)
    }

    /// Returns the user and group ID of the helper.
    pub fn user(&self) -> u32 {
        self.user.as_ref().map_or(u32::MAX, |user| user.id)
    }

    /// Takes the directory from a helper that has ended: from now on no process of its user can change a name in it.
    ///
    /// # Errors
    /// Returns [`ImageError::File`] if the directory's owner can't be changed.
    pub fn reclaim(&self) -> Result<(), ImageError> {
        if geteuid().is_root() {
            chown(&self.path, Some(0), Some(0)).map_err(failed("own", &self.path))?;
        }
        index::mode(&self.path, 0o700)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        let path = std::mem::take(&mut self.path);
        let user = self.user.take();
        off_runtime(move || {
            remove(&path);
            // Only now may another helper have this user.
            drop(user);
        });
    }
}

fn remove(path: &Path) {
    for attempt in 1..=TRIES {
        match fs::remove_dir_all(path) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) if attempt == TRIES => {
                let path = path.display();
                tracing::warn!(%error, %path, "a staging folder stays until the next start");
            }
            Err(_) => std::thread::park_timeout(BETWEEN_TRIES),
        }
    }
}

/// Removes a helper's directory before it returns, unless it is held elsewhere.
pub(super) async fn finish(staging: Arc<Staging>) {
    let Some(mut staging) = Arc::into_inner(staging) else {
        return;
    };
    let path = std::mem::take(&mut staging.path);
    let user = staging.user.take();
    let removal = tokio::task::spawn_blocking(move || {
        remove(&path);
        drop(user);
    });
    if let Err(error) = removal.await {
        tracing::warn!(%error, "a staging folder stays until the next start");
    }
}

/// Runs work that may wait for a disk on a thread of its own, if the caller is on a thread of a runtime.
pub(super) fn off_runtime(work: impl FnOnce() + Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}
