//! What a store refuses, and why.

use super::Conflict;
use crate::changes::ChangeError;
use crate::reference::ReferenceError;
use crate::subprocess::HelperError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a store does not do what it was asked.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file of the store can't be used.
    #[error("can't {operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The helper failed.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// What the helper says is not what it left.
    #[error("image refused: {0}")]
    DigestMismatch(String),
    /// No such image. The words are dockerd's.
    #[error("No such image: {0}")]
    Unknown(String),
    /// Several images whose IDs begin so.
    #[error("{0}: several images have an ID that begins so: write more of it")]
    Ambiguous(String),
    /// Not a name.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// A name with a digest can't be given.
    #[error("refusing to create a tag with a digest reference")]
    DigestTag,
    /// Not a change.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// It may not be removed.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// An index.json that can't be read.
    #[error(
        "{path} is damaged: {reason}: restore it, or remove the folder to begin without images"
    )]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// mke2fs failed.
    #[error("can't make the empty disk: {0}: on Debian `apt-get install e2fsprogs`")]
    Upper(String),
    /// A layer of it is gone or was damaged.
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
        /// What is free.
        free_mib: u64,
        /// What images leave free.
        floor_mib: u64,
    },
    /// The runtime is ending.
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
