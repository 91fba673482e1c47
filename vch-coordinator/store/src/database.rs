//! The ledger's rows in an embedded database (redb). Keys and values are encoded by postcard; all rows are read into
//! memory when the store is opened.

use super::{
    StoreError, dir,
    error::failed,
    facts::{self, Facts, REVISION},
    lock::Lock,
    log::{Bounds, Encoded, Log, Logged},
    prepare::{Random, prepare},
    reserve::Reserve,
    schema::{REPORTS, ROWS},
    value::{decode, encode},
};
use crate::private;
use protocol::message::Report;
use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};
use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Arc,
};
use vch_ledger::{ContainerId, Id, Revision, Row, RowKey, VchId};

/// The open store on disk. It has the rows of the ledger (the decisions about networks, containers, endpoints and
/// published ports), the last report of each container's agent, and the last transactions: at most 4,096, and at most
/// 16 MiB of them. No other process can open it meanwhile.
pub struct Store {
    database: Database,
    revision: Revision,
    log: Log,
    /// The directory that the store lies in; `None` for a store in memory only.
    location: Option<Location>,
}

/// The directory of a store, which no other process uses meanwhile.
pub(super) struct Location {
    dir: PathBuf,
    _lock: Lock,
    reserve: Reserve,
}

/// The content of a store when it was opened.
pub struct Loaded {
    /// The random identity of this VCH, chosen when the store was created.
    pub vch: VchId,
    /// The number of the last transaction.
    pub revision: Revision,
    /// All rows of the ledger, such as its networks, containers and endpoints.
    pub rows: Vec<Row>,
    /// The last report of each container's agent about its VM's network; no entry for a container whose agent never
    /// reported.
    pub reports: BTreeMap<ContainerId, Report>,
}

/// The content of one commit: any number of the ledger's transactions, in order, and reports.
#[derive(Default)]
pub(super) struct Group {
    /// The ledger's transactions, in order.
    pub transactions: Vec<Arc<Logged>>,
    /// The new report of each container; `None` to delete the stored one.
    pub reports: BTreeMap<ContainerId, Option<Report>>,
}

impl Group {
    /// Returns whether nothing is to be committed.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty() && self.reports.is_empty()
    }

    /// Returns whether a transaction of the group adds a network, a container or an endpoint.
    fn adds(&self) -> bool {
        let mut changes = self.transactions.iter().flat_map(|logged| &logged.changes);
        changes.any(|change| {
            let thing = matches!(
                change.key,
                RowKey::Network(_) | RowKey::Container(_) | RowKey::Endpoint(_)
            );
            thing && change.before.is_none()
        })
    }
}

impl Store {
    /// Opens the store in the directory `dir`, and reads all of it into the returned [`Loaded`]. Creates the directory
    /// and the store if they do not exist. A store of an older release is migrated; a copy of the old file is kept
    /// beside it (`ledger.redb.vN`, where N is the old schema's number).
    ///
    /// # Errors
    /// In all of these cases the stored data is unchanged. Returns
    /// - [`StoreError::Private`] if the directory can't be created, or can't be restricted to its owner,
    /// - [`StoreError::InUse`] if another process has the store open,
    /// - [`StoreError::Missing`] if directories of containers exist, but no store,
    /// - [`StoreError::Schema`] if a newer release wrote the store,
    /// - [`StoreError::Broken`] if the file is not a store, or is damaged,
    /// - [`StoreError::Unwritable`] or [`StoreError::Directory`] if a file can't be opened or written,
    /// - [`StoreError::Random`] if the kernel gives no random bytes for a new store.
    pub fn open(dir: &Path) -> Result<(Self, Loaded), StoreError> {
        Self::open_in(dir, false)
    }

    /// Opens the store as [`Store::open`] does, but creates a missing store even if directories of containers exist
    /// (`--begin-anew`).
    ///
    /// # Errors
    /// Returns the errors of [`Store::open`], except [`StoreError::Missing`].
    pub fn begin_anew(dir: &Path) -> Result<(Self, Loaded), StoreError> {
        Self::open_in(dir, true)
    }

    fn open_in(dir: &Path, begin_anew: bool) -> Result<(Self, Loaded), StoreError> {
        private::provide(dir, dir::MARKS, "vch.state_dir")?;
        let lock = Lock::take(dir)?;
        let open = || {
            let database = dir::database(dir, begin_anew)?;
            let location = Location {
                reserve: Reserve::of(&dir.join(dir::FILE))?,
                dir: dir.to_owned(),
                _lock: lock,
            };
            let bounds = Bounds::default();
            Self::begin(database, Some(location), bounds, &mut getrandom::fill)
        };
        // Bytes that no release of redb wrote may lead it to an assertion; nothing of what it had opened is
        // used after that.
        let opened = panic::catch_unwind(AssertUnwindSafe(open));
        let opened = opened.unwrap_or(Err(StoreError::Panicked));
        let path = dir.join(dir::FILE);
        opened.map_err(|source| match source {
            unwritable if unwritable.is_unwritable() => StoreError::Unwritable {
                path,
                source: Box::new(unwritable),
            },
            StoreError::Value { .. } | StoreError::Database { .. } | StoreError::Panicked => {
                StoreError::Broken {
                    path,
                    source: Box::new(source),
                }
            }
            other => other,
        })
    }

    /// Reads a database whose tables are prepared. Returns the store and what it holds.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails or a row can't be decoded.
    pub(super) fn begin(
        database: Database,
        location: Option<Location>,
        bounds: Bounds,
        random: Random<'_>,
    ) -> Result<(Self, Loaded), StoreError> {
        let vch = prepare(&database, random)?;
        let (loaded, log) = load(&database, vch, bounds)?;
        let store = Self {
            database,
            revision: loaded.revision,
            log,
            location,
        };
        Ok((store, loaded))
    }

    /// Opens the store again after a write that failed. The store then holds the transactions before that write, and
    /// may hold those of the write as well.
    ///
    /// # Errors
    /// Returns [`StoreError::Nowhere`] if the store is in memory only, else the errors of [`Store::open`].
    pub(super) fn reopen(self) -> Result<(Self, Loaded), StoreError> {
        let Self {
            database, location, ..
        } = self;
        drop(database);
        let location = location.ok_or(StoreError::Nowhere)?;
        let database = dir::database(&location.dir, false)?;
        Self::begin(
            database,
            Some(location),
            Bounds::default(),
            &mut getrandom::fill,
        )
    }

    /// Writes a group in one transaction; it is durable when this returns.
    ///
    /// # Errors
    /// Returns an error for which [`StoreError::is_full`] is true if the disk is full, and
    /// [`StoreError::Database`] if the database refuses for another reason.
    pub(super) fn write(&mut self, group: &Group) -> Result<(), StoreError> {
        let mut location = self.location.as_mut();
        if group.adds()
            && location
                .as_mut()
                .is_some_and(|location| !location.reserve.keep())
        {
            return Err(StoreError::Full);
        }
        let write = self.database.begin_write().map_err(failed("begin"))?;
        write_rows(&write, group)?;
        write_reports(&write, group)?;
        let last = group.transactions.last().map(|last| last.revision);
        if let Some(revision) = last {
            let transactions = group.transactions.iter().map(|logged| &**logged);
            self.log.append(&write, transactions)?;
            Facts::open(&write)?.put(REVISION, &revision)?;
        }
        write.commit().map_err(failed("commit"))?;
        self.revision = last.unwrap_or(self.revision);
        if let Some(location) = &mut self.location {
            // A later group that adds something asks again whether there is room.
            let _ = location.reserve.keep();
        }
        Ok(())
    }

    /// Returns the revision of the last transaction that is durable.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the oldest revision behind which every transaction is kept.
    pub(super) fn oldest(&self) -> Revision {
        self.log.oldest().unwrap_or(self.revision)
    }

    /// Returns the first transactions behind `after`: as many as fit in `page`, at least one if
    /// there are any.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails or a transaction can't be read.
    pub(super) fn page(&self, after: Revision, page: Bounds) -> Result<Vec<Encoded>, StoreError> {
        let read = self
            .database
            .begin_read()
            .map_err(failed("begin reading"))?;
        Log::page(&read, after, page)
    }
}

fn load(database: &Database, vch: VchId, bounds: Bounds) -> Result<(Loaded, Log), StoreError> {
    let read = database.begin_read().map_err(failed("begin reading"))?;
    let revision = facts::read(&read, REVISION)?.unwrap_or_default();
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
    let log = Log::read(&read, bounds)?;
    let loaded = Loaded {
        vch,
        revision,
        rows,
        reports,
    };
    Ok((loaded, log))
}

fn write_rows(write: &WriteTransaction, group: &Group) -> Result<(), StoreError> {
    let mut rows = write.open_table(ROWS).map_err(failed("open rows"))?;
    let changes = group.transactions.iter().flat_map(|logged| &logged.changes);
    for change in changes {
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
    Ok(())
}

fn write_reports(write: &WriteTransaction, group: &Group) -> Result<(), StoreError> {
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
    Ok(())
}

#[cfg(test)]
mod tests;
