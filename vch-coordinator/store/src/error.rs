//! Errors of the store.

use super::{lock::Holder, schema::SCHEMA_VERSION};
use crate::private::PrivateError;
use std::{io, path::PathBuf};
use thiserror::Error;

/// The reason why the store can't be opened, read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file or directory of the store can't be opened, created or changed.
    #[error("cannot use {}: make the folder writable, or set `vch.state_dir`", path.display())]
    Directory {
        /// The path at which the operation failed.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The store's directory can't be created, or can't be restricted to its owner.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// Another process has the store open.
    #[error(
        "the store in {} is in use by {holder}: end that process, or give this one a `vch.state_dir` of its own",
        dir.display()
    )]
    InUse {
        /// The store's directory.
        dir: PathBuf,
        /// The process that has the store open.
        holder: Holder,
    },
    /// A newer release wrote the store, with a schema that this release can't read.
    #[error(
        "the store has schema {found}, this release reads {SCHEMA_VERSION}: use the release that wrote it"
    )]
    Schema {
        /// The number of the store's schema.
        found: u32,
    },
    /// A value in the store can't be decoded.
    #[error("the store's table `{table}` holds a value that cannot be read")]
    Value {
        /// The database's table that contains the value.
        table: &'static str,
        /// The decoder's error.
        #[source]
        source: postcard::Error,
    },
    /// The file is not a store, or is damaged.
    #[error(
        "cannot read the store {}: put back a copy of it, or move it away and start once with --begin-anew; the directories of containers are kept either way",
        path.display()
    )]
    Broken {
        /// The store's file.
        path: PathBuf,
        /// The error of opening it.
        #[source]
        source: Box<Self>,
    },
    /// The store's file is missing, although directories of containers exist beside it: it was probably lost.
    /// `--begin-anew` creates a new one.
    #[error(
        "there is no store {}, but the directories of {containers} containers: put back a copy of it, or start once with --begin-anew, which keeps the directories in `lost`",
        path.display()
    )]
    Missing {
        /// The path where the file should be.
        path: PathBuf,
        /// The number of containers' directories.
        containers: usize,
    },
    /// The store's file can't be written.
    #[error("cannot write the store {}: is its file system mounted read-only?", path.display())]
    Unwritable {
        /// The store's file.
        path: PathBuf,
        /// The error of opening it.
        #[source]
        source: Box<Self>,
    },
    /// The thread that writes the ledger to the store has panicked; the log has the message.
    #[error("the store's writer panicked")]
    WriterPanicked,
    /// Reading the store's file has panicked; the log has the message.
    #[error("reading the store failed unexpectedly")]
    Panicked,
    /// An operation of the database failed.
    #[error("the store failed to {action}")]
    Database {
        /// The operation as an English verb, such as "commit".
        action: &'static str,
        /// The database's error.
        #[source]
        source: Box<redb::Error>,
    },
    /// The disk is full. Transactions that add a network, a container or an endpoint are refused; others, such as
    /// removals, are still possible in reserved space.
    #[error("no space left for the store but for what is removed")]
    Full,
    /// The store exists in memory only (in tests), and can't be opened again.
    #[error("the store is in no folder that it could be read from again")]
    Nowhere,
    /// The kernel gave no random bytes for the VCH's identity.
    #[error("no random bytes for the VCH's identity: {0}")]
    Random(getrandom::Error),
}

impl StoreError {
    /// Returns whether the error says that the store's file may not be opened or written.
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

    /// Returns whether the error says that the disk is full.
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

/// Returns a function that makes a [`StoreError`] of the database's error in an operation.
pub(super) fn failed<E: Into<redb::Error>>(action: &'static str) -> impl Fn(E) -> StoreError {
    move |source| StoreError::Database {
        action,
        source: Box::new(source.into()),
    }
}

/// The reason why the ledger's writer (the thread that owns ledger and store) did not do what was
/// requested.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WriterError {
    /// The writer has ended: the coordinator is stopping, or its store has failed.
    #[error("the coordinator is stopping or its store has failed: see its log, then ask again")]
    Ended,
    /// The disk is full. The transaction or report was not written, and nothing has changed.
    #[error(
        "no space left on the disk of `vch.state_dir`: remove containers or images, or make room there, then ask again"
    )]
    Full,
}
