//! Makes the writable disks of containers: copies of one empty ext4 file system. Only its parts that are not zero are
//! copied.

use super::{ImageError, Store, failed};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The size of ext4's journal: 1,024 blocks of 4 KiB, the least; most of a larger one would be zeros to write.
const JOURNAL_MIB: &str = "size=4";

impl Store {
    /// Makes a container's writable disk at `path`, where no file may exist: a sparse file with an empty ext4 file
    /// system. `bytes` is the size of the file system; `None` for
    /// [`Settings::writable_layer_bytes`](crate::Settings::writable_layer_bytes). A disk of that default size is copied
    /// from an empty one that the store keeps.
    ///
    /// # Errors
    /// Returns [`ImageError::WritableLayer`] if mke2fs fails, [`ImageError::File`] if the file can't be made.
    pub async fn new_writable_layer(
        &self,
        path: &Path,
        bytes: Option<u64>,
    ) -> Result<(), ImageError> {
        if let Some(bytes) =
            bytes.filter(|bytes| *bytes != self.inner.settings.writable_layer_bytes)
        {
            return made_ext4(path, bytes).await;
        }
        let template = self.template().await?;
        let path = path.to_owned();
        self.blocking(move |_| {
            // Where something is already, nothing is removed.
            let target = OpenOptions::new().write(true).create_new(true).open(&path);
            let target = target.map_err(failed("make", &path))?;
            let copied = copy(&template, &target);
            if copied.is_err()
                && let Err(error) = fs::remove_file(&path)
            {
                let path = path.display();
                tracing::warn!(%error, %path, "a disk that was begun is left");
            }
            copied.map_err(failed("make", &path))
        })
        .await
    }

    /// Returns the path of the empty disk; makes it if it does not exist.
    async fn template(&self) -> Result<PathBuf, ImageError> {
        let settings = &self.inner.settings;
        let name = format!("upper-{}.ext4", settings.writable_layer_bytes);
        let path = settings.dir.join(&name);
        let alone = self.inner.alone(None).await;
        let _alone = alone.lock().await;
        if tokio::fs::try_exists(&path)
            .await
            .map_err(failed("read", &path))?
        {
            return Ok(path);
        }
        let partial = settings.dir.join("staging").join(&name);
        let old = partial.clone();
        self.blocking(move |_| match fs::remove_file(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &old)(error))
            }
            _ => Ok(()),
        })
        .await?;
        made_ext4(&partial, settings.writable_layer_bytes).await?;
        let target = path.clone();
        self.blocking(move |inner| {
            fs::rename(&partial, &target).map_err(failed("make", &target))?;
            super::index::sync(&inner.settings.dir)
        })
        .await?;
        Ok(path)
    }
}

/// Makes an empty ext4 at `path`, where nothing may be yet; on a failure nothing is left of it.
async fn made_ext4(path: &Path, bytes: u64) -> Result<(), ImageError> {
    let target = OpenOptions::new().write(true).create_new(true).open(path);
    let file = target.map_err(failed("make", path))?;
    let made = fill_ext4(file, path, bytes).await;
    if made.is_err()
        && let Err(error) = fs::remove_file(path)
    {
        let path = path.display();
        tracing::warn!(%error, %path, "a disk that was begun is left");
    }
    made
}

async fn fill_ext4(file: File, path: &Path, bytes: u64) -> Result<(), ImageError> {
    file.set_len(bytes).map_err(failed("make", path))?;
    let mut mke2fs = Command::new("mke2fs");
    mke2fs
        .args(["-q", "-F", "-t", "ext4", "-m", "0", "-J", JOURNAL_MIB])
        .args(["-O", "^resize_inode,^metadata_csum"])
        .args([
            "-E",
            "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0",
        ])
        .arg(path)
        .kill_on_drop(true);
    let output = mke2fs.output().await;
    let output = output.map_err(|error| ImageError::WritableLayer(error.to_string()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(ImageError::WritableLayer(reason));
    }
    // A sync takes as long as the disk does: not on a thread that serves others.
    let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
    let synced = synced.unwrap_or_else(|ended| Err(io::Error::other(ended)));
    synced.map_err(failed("write", path))
}

/// Copies what is data and leaves the holes.
fn copy(from: &Path, target: &File) -> io::Result<()> {
    let source = File::open(from)?;
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let start = match lseek(&source, at, Whence::SeekData) {
            Ok(start) => start,
            // No data behind this.
            Err(Errno::ENXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let end = lseek(&source, start, Whence::SeekHole)?;
        let (mut from, end_bytes) = (unsigned(start)?, unsigned(end)?);
        while from < end_bytes {
            let left = usize::try_from(end_bytes - from)
                .map_or(buffer.len(), |left| left.min(buffer.len()));
            source.read_exact_at(&mut buffer[..left], from)?;
            target.write_all_at(&buffer[..left], from)?;
            from += left as u64;
        }
        at = end;
    }
    target.sync_data()
}

fn unsigned(offset: i64) -> io::Result<u64> {
    u64::try_from(offset).map_err(io::Error::other)
}
