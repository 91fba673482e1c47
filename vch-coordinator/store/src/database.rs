//! Rows in redb. Keys and values are postcard, read back whole at start.

use super::{
    StoreError, dir,
    error::failed,
    facts::{self, Facts, REVISION, SCHEMA, VCH},
    lock::Lock,
    log::{Bounds, Encoded, Log, Logged},
    migration,
    reserve::Reserve,
    value::{decode, encode},
};
use crate::private;
use protocol::message::Report;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Arc,
};
use vch_ledger::{ContainerId, Id, Revision, Row, RowKey, VchId};

/// Rows of the ledger: postcard of `RowKey` to postcard of `Row`.
pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// Last acknowledged report of each container: ID to postcard of `Report`.
const REPORTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("reports");
/// The shape of rows that this build reads and writes.
pub(super) const SCHEMA_VERSION: u32 = 4;

/// Fills a slice with random bytes, of the quality of getrandom(2).
type Random<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<(), getrandom::Error>;

/// An open store.
pub struct Store {
    database: Database,
    revision: Revision,
    log: Log,
    /// `None` where it is not in a directory.
    location: Option<Location>,
}

/// The directory of a store, which no other process uses meanwhile.
pub(super) struct Location {
    dir: PathBuf,
    _lock: Lock,
    reserve: Reserve,
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

/// What one commit writes: any number of transactions of the ledger, in order, and reports.
#[derive(Default)]
pub(super) struct Group {
    pub transactions: Vec<Arc<Logged>>,
    pub reports: BTreeMap<ContainerId, Option<Report>>,
}

impl Group {
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty() && self.reports.is_empty()
    }

    /// Whether something is in it that was not there before: a network, a container, an endpoint.
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
    /// Opens the store in a directory, made if it is not there, and reads it whole. One that an older
    /// release wrote is migrated; what it was stays beside it.
    ///
    /// # Errors
    /// [`StoreError`], with a remedy; what is in the directory stays as it is.
    pub fn open(dir: &Path) -> Result<(Self, Loaded), StoreError> {
        Self::open_in(dir, false)
    }

    /// The same, where it is made if it is not there although containers' directories are.
    ///
    /// # Errors
    /// [`StoreError`], with a remedy; what is in the directory stays as it is.
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

    /// Opens it anew after a write that failed: what is there is what was written before it, or also that.
    ///
    /// # Errors
    /// [`StoreError`]: it can't be opened, or is nowhere.
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

    /// Writes a group in one transaction; durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; of a full disk it [is one](StoreError::is_full).
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
            // Whether there was room is asked by whoever needs some.
            let _ = location.reserve.keep();
        }
        Ok(())
    }

    /// The last transaction that is durable.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// The oldest revision behind which every transaction is kept.
    pub(super) fn oldest(&self) -> Revision {
        self.log.oldest().unwrap_or(self.revision)
    }

    /// The first transactions behind `after`, as many as fit in `page`.
    pub(super) fn page(&self, after: Revision, page: Bounds) -> Result<Vec<Encoded>, StoreError> {
        let read = self
            .database
            .begin_read()
            .map_err(failed("begin reading"))?;
        Log::page(&read, after, page)
    }
}

/// Makes tables and facts where they are missing, and brings those of an older release to the
/// present schema.
pub(super) fn prepare(database: &Database, random: Random<'_>) -> Result<VchId, StoreError> {
    let write = database.begin_write().map_err(failed("begin"))?;
    write.open_table(ROWS).map_err(failed("open rows"))?;
    write.open_table(REPORTS).map_err(failed("open reports"))?;
    Log::prepare(&write)?;
    let found = Facts::open(&write)?.get(SCHEMA)?;
    match found {
        Some(SCHEMA_VERSION) => {}
        Some(found @ migration::OLDEST..SCHEMA_VERSION) => {
            migration::migrate(&write, found)?;
            Facts::open(&write)?.put(SCHEMA, &SCHEMA_VERSION)?;
            tracing::info!(from = found, to = SCHEMA_VERSION, "store migrated");
        }
        Some(found) => return Err(StoreError::Schema { found }),
        None => {
            let mut id = [0; 16];
            random(&mut id).map_err(StoreError::Random)?;
            let mut facts = Facts::open(&write)?;
            facts.put(SCHEMA, &SCHEMA_VERSION)?;
            facts.put(VCH, &VchId(id))?;
        }
    }
    let vch = Facts::open(&write)?.get(VCH)?;
    let vch = vch.ok_or(StoreError::Value {
        table: "facts",
        source: postcard::Error::DeserializeUnexpectedEnd,
    })?;
    write.commit().map_err(failed("commit"))?;
    Ok(vch)
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
