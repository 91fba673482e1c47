//! Errors of the store.

use super::Conflict;
use crate::changes::ChangeError;
use crate::reference::ReferenceError;
use crate::subprocess::HelperError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The reason for which the store did not carry a request out.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file of the store can't be used.
    #[error("can't {operation} {path}")]
    File {
        /// The operation.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The helper failed.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// The helper's statement about a file differs from the file.
    #[error("image refused: {0}")]
    DigestMismatch(String),
    /// No image has the name or ID; the message is dockerd's.
    #[error("No such image: {0}")]
    Unknown(String),
    /// Several images' IDs begin with the text.
    #[error("{0}: several images have an ID that begins so: write more of it")]
    Ambiguous(String),
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// A name with a digest can't be given to an image.
    #[error("refusing to create a tag with a digest reference")]
    DigestTag,
    /// A change is not valid.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The image may not be removed.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store's index.json can't be read.
    #[error(
        "{path} is damaged: {reason}: restore it, or remove the folder to begin without images"
    )]
    Index {
        /// The file.
        path: PathBuf,
        /// The reason, as text.
        reason: String,
    },
    /// mke2fs failed to make the empty disk.
    #[error("can't make the empty disk: {0}: on Debian `apt-get install e2fsprogs`")]
    Upper(String),
    /// A layer of the image is missing or was damaged.
    #[error("a layer of image {0} is missing: pull it or load it again")]
    Missing(String),
    /// The disk is nearly full.
    #[error(
        "too little room: {path} has {free_mib} MiB free, and {floor_mib} MiB of it are kept free: remove \
         images or containers, or lower `images.free_disk_mib`"
    )]
    Room {
        /// The store's directory.
        path: PathBuf,
        /// The free space in MiB.
        free_mib: u64,
        /// The space that images leave free, in MiB.
        floor_mib: u64,
    },
    /// The runtime is shutting down.
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
