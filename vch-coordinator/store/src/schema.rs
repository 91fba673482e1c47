//! The tables of the store, and the number of the schema.

use redb::TableDefinition;

/// The table of the ledger's rows: postcard of `RowKey` to postcard of `Row`.
pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// The table of each container's last acknowledged report: container ID to postcard of `Report`.
pub(super) const REPORTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("reports");
/// The number of the schema of rows that this build reads and writes.
pub(super) const SCHEMA_VERSION: u32 = 4;
