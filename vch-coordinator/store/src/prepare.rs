//! Prepares a database when it is opened: makes its tables, and migrates it to the present schema.

use super::{
    StoreError,
    error::failed,
    facts::{Facts, SCHEMA, VCH},
    log::Log,
    migration,
    schema::{REPORTS, ROWS, SCHEMA_VERSION},
};
use redb::Database;
use vch_ledger::VchId;

/// A function that fills a slice with random bytes, of the quality of getrandom(2).
pub(super) type Random<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<(), getrandom::Error>;

/// Makes the tables and facts that are missing, migrates a store of an older release, and returns
/// the VCH's identity.
///
/// # Errors
/// Returns [`StoreError`] if the database fails, or was made by a later release.
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
