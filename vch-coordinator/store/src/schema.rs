//! The tables of the store, and the number of their shape.

use redb::TableDefinition;

/// Rows of the ledger: postcard of `RowKey` to postcard of `Row`.
pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// Last acknowledged report of each container: ID to postcard of `Report`.
pub(super) const REPORTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("reports");
/// The shape of rows that this build reads and writes.
pub(super) const SCHEMA_VERSION: u32 = 5;
