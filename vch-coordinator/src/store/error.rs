//! Why the store does not serve.

use super::database::SCHEMA_VERSION;
use std::{io, path::PathBuf};
use thiserror::Error;

/// Why the store does not serve.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Its folder can't be used.
    #[error("cannot use {}: make the folder writable, or set `vch.state_dir`", path.display())]
    Directory {
        /// What was tried.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another coordinator holds it.
    #[error(
        "the store in {} is in use by process {holder}: stop that coordinator, or give this one a `vch.state_dir` of its own",
        dir.display()
    )]
    InUse {
        /// The store's folder.
        dir: PathBuf,
        /// The process that holds it.
        holder: String,
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
        "cannot read the store {}: put back a copy of it, or move it away to begin anew",
        path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<Self>,
    },
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
