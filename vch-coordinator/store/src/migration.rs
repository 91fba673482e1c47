//! Stores of older schemas, brought to the present one when they are opened.
//!
//! ```text
//!   v1 ──to_v2──► v2 ──to_v3──► v3 ──to_v4──► v4 ──to_v5──► rows of today     in one transaction, with the number
//! ```
//!
//! A released schema's rows are frozen in a file of their own, with a store that its release wrote.
//! With the next schema the present rows are frozen as `v5`, and `to_v5` makes those.

mod to_v2;
mod to_v3;
mod to_v4;
mod to_v5;
mod v1;
mod v2;
mod v3;
mod v4;

use super::{
    StoreError,
    error::failed,
    facts::{Facts, REVISION},
    log::Log,
    schema::ROWS,
    value::{decode, encode},
};
use redb::{ReadableTable, WriteTransaction};
use serde::de::DeserializeOwned;
use vch_ledger::Revision;

/// The oldest schema that can be migrated.
pub(super) const OLDEST: u32 = 1;

/// Migrates the rows of a store of schema `found` to the present schema, within the transaction
/// `write`: all rows, or none if the transaction is not committed.
///
/// # Errors
/// Returns [`StoreError`] if the database fails, a row can't be decoded, or `found` is of a later
/// release.
pub(super) fn migrate(write: &WriteTransaction, found: u32) -> Result<(), StoreError> {
    let mut table = write.open_table(ROWS).map_err(failed("open rows"))?;
    let rows = match found {
        1 => to_v4::rows(to_v3::rows(to_v2::rows(read(&table)?))),
        2 => to_v4::rows(to_v3::rows(read(&table)?)),
        3 => to_v4::rows(read(&table)?),
        _ => read(&table)?,
    };
    table
        .retain(|_, _| false)
        .map_err(failed("remove the rows"))?;
    for row in to_v5::rows(rows) {
        let (key, value) = (encode("rows", &row.key())?, encode("rows", &row)?);
        table
            .insert(key.as_slice(), value.as_slice())
            .map_err(failed("write a row"))?;
    }
    drop(table);
    turn_the_page(write)
}

/// Returns all rows of one schema.
fn read<Row: DeserializeOwned>(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    for entry in table.iter().map_err(failed("read rows"))? {
        let (_, value) = entry.map_err(failed("read rows"))?;
        rows.push(decode("rows", value.value())?);
    }
    Ok(rows)
}

/// Empties the log of transactions and begins a new revision: the kept transactions are of the older schema, so
/// followers have to read the whole ledger again.
fn turn_the_page(write: &WriteTransaction) -> Result<(), StoreError> {
    Log::forget(write)?;
    let mut facts = Facts::open(write)?;
    if let Some(Revision(last)) = facts.get(REVISION)? {
        facts.put(REVISION, &Revision(last + 1))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
