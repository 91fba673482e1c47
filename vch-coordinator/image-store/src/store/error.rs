//! The errors of the image store.

use super::Conflict;
use crate::changes::ChangeError;
use crate::reference::ReferenceError;
use crate::subprocess::HelperError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The reason for which the image store did not carry out a request.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file or directory of the store can't be used.
    #[error("can't {operation} {path}")]
    File {
        /// The operation, as the verb of the sentence "can't {operation} {path}".
        operation: &'static str,
        /// The path of the file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The helper process `vch-image`, which reads images, failed or refused the image.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// A result of the helper process is refused, for this reason: a file's digest or size is not the stated one, the
    /// image is not for linux/amd64, its configuration is not valid, or the result is of another kind than the job's.
    #[error("image refused: {0}")]
    DigestMismatch(String),
    /// No image has this name or ID.
    #[error("No such image: {0}")]
    Unknown(String),
    /// The IDs of several images begin with this text.
    #[error("{0}: several images have an ID that begins so: write more of it")]
    Ambiguous(String),
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// A name with a digest was to be given to an image by `docker tag` or `docker import`. Only a pull gives such
    /// names.
    #[error("refusing to create a tag with a digest reference")]
    DigestTag,
    /// An instruction of `docker import --change` is not valid.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The image may not be removed, since it is in use.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store's index.json can't be read.
    #[error(
        "{path} is damaged: {reason}: restore it, or remove the folder to begin without images"
    )]
    Index {
        /// The path of index.json.
        path: PathBuf,
        /// The reason in words.
        reason: String,
    },
    /// The program `mke2fs` failed, or is missing, when it was to make a container's empty ext4 file, for this reason.
    #[error("can't make the empty disk: {0}: on Debian `apt-get install e2fsprogs`")]
    WritableLayer(String),
    /// A layer of the image with this short ID is missing or damaged.
    #[error("a layer of image {0} is missing: pull it or load it again")]
    Missing(String),
    /// The file system of the store has less free space than the store must leave free, so that nothing is pulled,
    /// loaded, imported or made.
    #[error(
        "too little room: {path} has {free_mib} MiB free, and {floor_mib} MiB of it are kept free: remove \
         images or containers, or lower `images.free_disk_mib`"
    )]
    Room {
        /// The store's directory.
        path: PathBuf,
        /// The free space in MiB.
        free_mib: u64,
        /// The space that the store leaves free, in MiB.
        floor_mib: u64,
    },
    /// The coordinator is stopping.
    #[error("the coordinator is ending")]
    Ending,
}

pub(super) fn failed(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> ImageError + use<> {
    let path = path.to_owned();
    move |source| ImageError::File {
        operation,
        path,
        source,
    }
}
