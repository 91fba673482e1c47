//! Mounts the container's root file system: an overlay of the image, which is read-only, and the
//! container's writable layer.

use crate::sysfs;
use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
};
use protocol::process::Start;
use std::{fs, io, path::Path};
use thiserror::Error;

/// The directory at which init and the agent see the container's root file system.
pub const ROOT: &str = "/container/root";
const IMAGE: &str = "/container/image";
const WRITABLE_LAYER: &str = "/container/upper";

/// The reason for which the container's root file system can't be mounted.
#[derive(Debug, Error)]
pub enum RootError {
    /// A disk is missing, or a directory can't be made.
    #[error("{0}")]
    File(#[from] io::Error),
    /// A file system can't be mounted.
    #[error("cannot mount {what}: {source}")]
    Mount {
        /// The file system, as the object of the sentence "cannot mount {what}".
        what: &'static str,
        /// The kernel's error.
        source: Errno,
    },
}

/// Mounts the container's root file system at [`ROOT`], from the VM's two disks.
///
/// # Errors
/// Returns [`RootError::File`] if the VM lacks one of the disks or a directory can't be made,
/// [`RootError::Mount`] if a file system can't be mounted.
pub fn assemble(start: &Start) -> Result<(), RootError> {
    for dir in [ROOT, IMAGE, WRITABLE_LAYER] {
        fs::create_dir_all(dir)?;
    }
    let image = sysfs::disk(&start.image_disk).wait()?;
    let failed = |what| move |source| RootError::Mount { what, source };
    let none: Option<&str> = None;
    let read_only = MsFlags::MS_RDONLY | MsFlags::MS_NODEV;
    mount(Some(&image), IMAGE, Some("squashfs"), read_only, none).map_err(failed("the image"))?;
    let writable_layer = sysfs::disk(&start.writable_disk).wait()?;
    // A disk that is filled only as it is written has no tables to be zeroed in the background.
    let options = Some("noinit_itable,discard");
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
    mount(
        Some(&writable_layer),
        WRITABLE_LAYER,
        Some("ext4"),
        flags,
        options,
    )
    .map_err(failed("the container's disk"))?;
    let layers = Path::new(WRITABLE_LAYER);
    for dir in ["files", "work"] {
        fs::create_dir_all(layers.join(dir))?;
    }
    let options =
        format!("lowerdir={IMAGE},upperdir={WRITABLE_LAYER}/files,workdir={WRITABLE_LAYER}/work");
    // Device nodes of an image, or made in a container, do not open: its devices are those in /dev. A privileged one
    // has all of the VM's in any case, and containers of its own.
    let flags = if start.privileged {
        MsFlags::empty()
    } else {
        MsFlags::MS_NODEV
    };
    mount(
        Some("overlay"),
        ROOT,
        Some("overlay"),
        flags,
        Some(&*options),
    )
    .map_err(failed("the root file system"))
}

/// Unmounts the root file system before the VM ends, so that everything that was written is on the
/// disk.
pub fn close() {
    for path in [ROOT, WRITABLE_LAYER] {
        // What holds it is about to end with the VM; what was written is written back in any case.
        let _ = umount2(path, MntFlags::MNT_DETACH);
    }
}
