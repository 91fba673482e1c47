//! Why the store does not serve.

use super::{database::SCHEMA_VERSION, lock::Holder};
use crate::private::PrivateError;
use std::{io, path::PathBuf};
use thiserror::Error;

/// Why the store does not serve.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Its directory can't be used.
    #[error("cannot use {}: make the folder writable, or set `vch.state_dir`", path.display())]
    Directory {
        /// What was tried.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its directory is not root's alone.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// Another process holds it.
    #[error(
        "the store in {} is in use by {holder}: end that process, or give this one a `vch.state_dir` of its own",
        dir.display()
    )]
    InUse {
        /// The store's directory.
        dir: PathBuf,
        /// The process that holds it.
        holder: Holder,
    },
    /// It was written by another release.
    #[error(
        "the store has schema {found}, this release reads {SCHEMA_VERSION}: use the release that wrote it"
    )]
    Schema {
        /// What it has.
        found: u32,
    },
    /// A value is not what this release writes.
    #[error("the store's table `{table}` holds a value that cannot be read")]
    Value {
        /// Where.
        table: &'static str,
        /// Why.
        #[source]
        source: postcard::Error,
    },
    /// Its file is no store, or is broken.
    #[error(
        "cannot read the store {}: put back a copy of it, or move it away and start once with --begin-anew; the directories of containers are kept either way",
        path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// It is not there, but directories of containers are.
    #[error(
        "there is no store {}, but the directories of {containers} containers: put back a copy of it, or start once with --begin-anew, which keeps the directories in `lost`",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// How many containers have a directory.
        containers: usize,
    },
    /// Its file can't be written.
    #[error("cannot write the store {}: is its file system mounted read-only?", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// The thread that writes it has ended by a defect, which the log has.
    #[error("the store's writer panicked")]
    WriterPanicked,
    /// Reading it ended in a panic, which the log has.
    #[error("reading the store failed unexpectedly")]
    Panicked,
    /// The database refused.
    #[error("the store failed to {action}")]
    Database {
        /// What was being done.
        action: &'static str,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// There is no room for what is new.
    #[error("no space left for the store but for what is removed")]
    Full,
    /// It is in memory only.
    #[error("the store is in no folder that it could be read from again")]
    Nowhere,
    /// The kernel gave no random bytes.
    #[error("no random bytes for the VCH's identity: {0}")]
    Random(getrandom::Error),
}

impl StoreError {
    /// Whether its file can't be written, or not opened at all.
    pub(super) fn is_unwritable(&self) -> bool {
        let Self::Database { source, .. } = self else {
            return false;
        };
        let redb::Error::Io(error) = &**source else {
            return false;
        };
        matches!(
            error.kind(),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
        )
    }

    /// Whether there was no room on the disk.
    pub(super) fn is_full(&self) -> bool {
        let source = match self {
            Self::Full => return true,
            Self::Database { source, .. } => source,
            _ => return false,
        };
        let redb::Error::Io(error) = &**source else {
            return false;
        };
        matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

/// The database's refusal of what was being done.
pub(super) fn failed<E: Into<redb::Error>>(action: &'static str) -> impl Fn(E) -> StoreError {
    move |source| StoreError::Database {
        action,
        source: Box::new(source.into()),
    }
}
