//! A small file system that a test can fill, to see how the VCH behaves on a full disk.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::world::Lab;

const FILLER: &str = "filler";

/// A tmpfs at a path of a test's directory. Unmounted on drop.
#[derive(Debug)]
pub struct SmallDisk {
    mount_point: PathBuf,
    /// The directory that it is in goes after it.
    _lab: Lab,
}

impl SmallDisk {
    /// Mounts a tmpfs of this size, in MiB, at `path` below the test's directory, which is made if it does not exist.
    ///
    /// # Errors
    /// Returns the error of the system if it cannot be mounted.
    pub fn mount(lab: &Lab, path: &str, mebibytes: u32) -> Result<Self> {
        let mount_point = lab.path(path);
        fs::create_dir_all(&mount_point).context("make a mount point for a small disk")?;
        let size = format!("size={mebibytes}m");
        let size = Some(size.as_str());
        mount(
            Some("tmpfs"),
            &mount_point,
            Some("tmpfs"),
            MsFlags::empty(),
            size,
        )
        .context("mount a small disk")?;
        Ok(Self {
            mount_point,
            _lab: lab.clone(),
        })
    }

    /// Fills the file system with one file, until no further byte has room.
    ///
    /// # Errors
    /// Returns the error of the system if it cannot be written to for another reason than lack of space.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.filler()).context("make a filler")?;
        let mut size = 1 << 20;
        while size > 0 {
            match file.write(&vec![1; size]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
                Err(error) => return Err(error).context("fill a small disk"),
            }
        }
        Ok(())
    }

    /// Removes the file by which [`SmallDisk::fill`] took the space, so that it is free again.
    ///
    /// # Errors
    /// Returns the error of the system if the file that takes it cannot be removed.
    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("remove the filler")
    }

    /// Returns the path at which the file system is mounted.
    #[must_use]
    pub fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    fn filler(&self) -> PathBuf {
        self.mount_point.join(FILLER)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Busy or not: a process that has a file open there keeps only that file.
        let _ = umount2(&self.mount_point, MntFlags::MNT_DETACH);
    }
}
