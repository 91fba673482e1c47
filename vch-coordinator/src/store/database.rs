//! Rows in redb. Keys and values are postcard, read back whole at start.

use super::lock::Lock;
use protocol::message::Report;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;
use vch_ledger::{Change, ContainerId, Id, Revision, Row, VchId};

/// Rows of the ledger: postcard of `RowKey` to postcard of `Row`.
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// Last acknowledged report of each container: ID to postcard of `Report`.
const REPORTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("reports");
/// Facts of the store itself, by name.
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");
const VCH: &str = "vch";
const SCHEMA: &str = "schema";
const REVISION: &str = "revision";
/// The shape of rows that this build reads and writes.
const SCHEMA_VERSION: u32 = 2;

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
    /// The kernel gave no random bytes.
    #[error("no random bytes for the VCH's identity: {0}")]
    Random(getrandom::Error),
}

/// An open store.
pub struct Store {
    database: Database,
    _lock: Lock,
}

/// What a store held when it was opened.
pub struct Loaded {
    /// Who this VCH is: made at first opening.
    pub vch: VchId,
    /// The last transaction.
    pub revision: Revision,
    /// Every row.
    pub rows: Vec<Row>,
    /// The last report of each container.
    pub reports: BTreeMap<ContainerId, Report>,
}

/// What one commit writes: any number of transactions of the ledger, in order.
#[derive(Default)]
pub(super) struct Group {
    pub changes: Vec<Change>,
    pub revision: Option<Revision>,
    pub reports: BTreeMap<ContainerId, Option<Report>>,
}

impl Group {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.revision.is_none() && self.reports.is_empty()
    }
}

fn failed<E: Into<redb::Error>>(action: &'static str) -> impl Fn(E) -> StoreError {
    move |source| StoreError::Database {
        action,
        source: Box::new(source.into()),
    }
}

fn decode<'a, T: serde::Deserialize<'a>>(
    table: &'static str,
    bytes: &'a [u8],
) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|source| StoreError::Value { table, source })
}

fn encode(table: &'static str, value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
    postcard::to_allocvec(value).map_err(|source| StoreError::Value { table, source })
}

impl Store {
    /// Opens the store in a folder, made if it is not there, and reads it whole.
    pub fn open(dir: &Path) -> Result<(Self, Loaded), StoreError> {
        std::fs::create_dir_all(dir).map_err(|source| StoreError::Directory {
            path: dir.to_owned(),
            source,
        })?;
        let lock = Lock::take(dir)?;
        let path = dir.join("ledger.redb");
        let opened = Database::create(&path)
            .map_err(failed("open"))
            .and_then(|database| Self::begin(database, lock));
        opened.map_err(|source| match source {
            StoreError::Value { .. } | StoreError::Database { .. } => StoreError::Broken {
                path,
                source: Box::new(source),
            },
            other => other,
        })
    }

    fn begin(database: Database, lock: Lock) -> Result<(Self, Loaded), StoreError> {
        let store = Self {
            database,
            _lock: lock,
        };
        let vch = store.prepare()?;
        let loaded = store.load(vch)?;
        Ok((store, loaded))
    }

    /// Makes tables and facts where they are missing.
    fn prepare(&self) -> Result<VchId, StoreError> {
        let write = self.database.begin_write().map_err(failed("begin"))?;
        let vch = {
            write.open_table(ROWS).map_err(failed("open rows"))?;
            write.open_table(REPORTS).map_err(failed("open reports"))?;
            let mut facts = write.open_table(FACTS).map_err(failed("open facts"))?;
            let found = facts.get(SCHEMA).map_err(failed("read facts"))?;
            let found = found
                .map(|v| decode::<u32>("facts", v.value()))
                .transpose()?;
            match found {
                Some(SCHEMA_VERSION) => {}
                Some(found) => return Err(StoreError::Schema { found }),
                None => {
                    let schema = encode("facts", &SCHEMA_VERSION)?;
                    facts
                        .insert(SCHEMA, schema.as_slice())
                        .map_err(failed("write facts"))?;
                    let mut id = [0; 16];
                    getrandom::fill(&mut id).map_err(StoreError::Random)?;
                    let id = encode("facts", &VchId(id))?;
                    facts
                        .insert(VCH, id.as_slice())
                        .map_err(failed("write facts"))?;
                }
            }
            let vch = facts.get(VCH).map_err(failed("read facts"))?;
            let bytes = vch.map(|v| v.value().to_vec()).unwrap_or_default();
            decode("facts", &bytes)?
        };
        write.commit().map_err(failed("commit"))?;
        Ok(vch)
    }

    fn load(&self, vch: VchId) -> Result<Loaded, StoreError> {
        let read = self
            .database
            .begin_read()
            .map_err(failed("begin reading"))?;
        let facts = read.open_table(FACTS).map_err(failed("open facts"))?;
        let revision = match facts.get(REVISION).map_err(failed("read facts"))? {
            Some(value) => decode("facts", value.value())?,
            None => Revision::default(),
        };
        let mut rows = Vec::new();
        let table = read.open_table(ROWS).map_err(failed("open rows"))?;
        for entry in table.iter().map_err(failed("read rows"))? {
            let (_, value) = entry.map_err(failed("read rows"))?;
            rows.push(decode("rows", value.value())?);
        }
        let mut reports = BTreeMap::new();
        let table = read.open_table(REPORTS).map_err(failed("open reports"))?;
        for entry in table.iter().map_err(failed("read reports"))? {
            let (key, value) = entry.map_err(failed("read reports"))?;
            if let Ok(id) = key.value().try_into() {
                reports.insert(
                    ContainerId::from_bytes(id),
                    decode("reports", value.value())?,
                );
            }
        }
        Ok(Loaded {
            vch,
            revision,
            rows,
            reports,
        })
    }

    /// Writes a group in one transaction; durable when this returns.
    pub(super) fn write(&self, group: &Group) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(failed("begin"))?;
        {
            let mut rows = write.open_table(ROWS).map_err(failed("open rows"))?;
            for change in &group.changes {
                let key = encode("rows", &change.key)?;
                match &change.after {
                    Some(row) => {
                        let value = encode("rows", row)?;
                        rows.insert(key.as_slice(), value.as_slice())
                            .map_err(failed("write a row"))?;
                    }
                    None => {
                        rows.remove(key.as_slice())
                            .map_err(failed("remove a row"))?;
                    }
                }
            }
            let mut reports = write.open_table(REPORTS).map_err(failed("open reports"))?;
            for (container, report) in &group.reports {
                let key = container.bytes().as_slice();
                match report {
                    Some(report) => {
                        let value = encode("reports", report)?;
                        reports
                            .insert(key, value.as_slice())
                            .map_err(failed("write a report"))?;
                    }
                    None => {
                        reports.remove(key).map_err(failed("remove a report"))?;
                    }
                }
            }
            if let Some(revision) = group.revision {
                let mut facts = write.open_table(FACTS).map_err(failed("open facts"))?;
                let value = encode("facts", &revision)?;
                facts
                    .insert(REVISION, value.as_slice())
                    .map_err(failed("write facts"))?;
            }
        }
        write.commit().map_err(failed("commit"))
    }
}

#[cfg(test)]
mod tests;
