//! The table of facts about the store itself, such as the number of its schema, by name.

use super::{
    StoreError,
    error::failed,
    value::{decode, encode},
};
use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};

/// Postcard of each fact.
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");
/// The name of the fact that holds the VCH's identity: a `VchId`.
pub(super) const VCH: &str = "vch";
/// The name of the fact that holds the number of the schema: a `u32`.
pub(super) const SCHEMA: &str = "schema";
/// The name of the fact that holds the revision of the last transaction: a `Revision`; missing
/// before the first.
pub(super) const REVISION: &str = "revision";

/// The facts, in a transaction that may change them.
pub(super) struct Facts<'a>(Table<'a, &'static str, &'static [u8]>);

impl<'a> Facts<'a> {
    /// Opens the table of facts in a transaction.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub fn open(write: &'a WriteTransaction) -> Result<Self, StoreError> {
        let table = write.open_table(FACTS);
        table.map(Self).map_err(failed("open facts"))
    }

    /// Returns a fact; `None` if the database does not have it.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails or the fact can't be decoded.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        get(&self.0, name)
    }

    /// Stores a fact about the store, such as the number of its schema, under a name, in place of
    /// an earlier value. It lasts once the transaction is committed.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails or the value can't be encoded.
    pub fn put(&mut self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let value = encode("facts", value)?;
        let put = self.0.insert(name, value.as_slice());
        put.map(|_| ()).map_err(failed("write facts"))
    }
}

/// Returns a fact as it was when the transaction began; `None` if the database does not have it.
///
/// # Errors
/// Returns [`StoreError`] if the database fails or the fact can't be decoded.
pub(super) fn read<T: DeserializeOwned>(
    read: &ReadTransaction,
    name: &str,
) -> Result<Option<T>, StoreError> {
    match read.open_table(FACTS) {
        Ok(facts) => get(&facts, name),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(failed("open facts")(error)),
    }
}

fn get<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let value = table.get(name).map_err(failed("read facts"))?;
    value
        .map(|value| decode("facts", value.value()))
        .transpose()
}
