//! The transaction log: the last transactions, stored up to a limit for callers that follow the
//! ledger.

use super::{
    StoreError,
    error::failed,
    value::{decode, encode},
};
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use vch_ledger::{Change, Revision};

/// Transactions by revision: postcard of what of [`Logged`] is not the key.
const CHANGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("changes");

/// A committed transaction of the ledger (a change of networks, containers, endpoints or published
/// ports), with the rows that it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// The number of the transaction.
    pub revision: Revision,
    /// The time at which the ledger made the transaction, in milliseconds since 1970, by the VCH's
    /// clock.
    pub at_ms: u64,
    /// The changed rows, each once. Applied to all rows of the previous revision, they give all
    /// rows of this revision.
    pub changes: Vec<Change>,
}

/// The limits of the stored transactions. The newest transaction is always stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The greatest number of transactions.
    pub transactions: usize,
    /// The greatest sum of their encoded sizes, in bytes.
    pub bytes: usize,
}

impl Default for Bounds {
    /// Returns bounds for some minutes of a busy VCH: a follower that was away for longer reads the
    /// whole ledger.
    fn default() -> Self {
        Self {
            transactions: 4_096,
            bytes: 16 << 20,
        }
    }
}

/// The index of the kept transactions. Only their sizes are in memory: the transactions are on
/// disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Log {
    bounds: Bounds,
    /// Revision and bytes of each, in order, without a gap.
    kept: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl Log {
    /// Makes the log's table if the database does not have it.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub fn prepare(write: &WriteTransaction) -> Result<(), StoreError> {
        write.open_table(CHANGES).map_err(failed("open changes"))?;
        Ok(())
    }

    /// Deletes all transactions of the log.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub fn forget(write: &WriteTransaction) -> Result<(), StoreError> {
        let mut table = write.open_table(CHANGES).map_err(failed("open changes"))?;
        let none = table.retain(|_, _| false);
        none.map_err(failed("remove the changes"))
    }

    /// Reads the index of the transactions that a store holds.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub fn read(read: &ReadTransaction, bounds: Bounds) -> Result<Self, StoreError> {
        let mut log = Self {
            bounds,
            kept: VecDeque::new(),
            bytes: 0,
        };
        let table = read.open_table(CHANGES).map_err(failed("open changes"))?;
        for entry in table.iter().map_err(failed("read changes"))? {
            let (revision, value) = entry.map_err(failed("read changes"))?;
            log.push(revision.value(), value.value().len());
        }
        Ok(log)
    }

    fn push(&mut self, revision: u64, bytes: usize) {
        self.kept.push_back((revision, bytes));
        self.bytes += bytes;
    }

    /// Adds transactions, and deletes the oldest ones beyond the bounds.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails or a transaction can't be encoded.
    pub fn append<'a>(
        &mut self,
        write: &WriteTransaction,
        transactions: impl IntoIterator<Item = &'a Logged>,
    ) -> Result<(), StoreError> {
        let mut table = write.open_table(CHANGES).map_err(failed("open changes"))?;
        for Logged {
            revision,
            at_ms,
            changes,
        } in transactions
        {
            let value = encode("changes", &(at_ms, changes))?;
            table
                .insert(revision.0, value.as_slice())
                .map_err(failed("write a change"))?;
            self.push(revision.0, value.len());
        }
        while self.kept.len() > self.bounds.transactions.max(1)
            || (self.bytes > self.bounds.bytes && self.kept.len() > 1)
        {
            let Some((revision, bytes)) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= bytes;
            table.remove(revision).map_err(failed("remove a change"))?;
        }
        Ok(())
    }

    /// Returns the oldest revision from which a stream can continue; `None` if no transaction is
    /// stored.
    pub fn oldest(&self) -> Option<Revision> {
        let (first, _) = self.kept.front()?;
        Some(Revision(first.saturating_sub(1)))
    }

    /// Returns the first transactions behind `after`: as many as fit into `page`, at least one if
    /// there are any. They are still encoded, so that the reader's task decodes them instead of the
    /// writer's thread.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub fn page(
        read: &ReadTransaction,
        after: Revision,
        page: Bounds,
    ) -> Result<Vec<Encoded>, StoreError> {
        let table = read.open_table(CHANGES).map_err(failed("open changes"))?;
        let behind = after.0.saturating_add(1)..;
        let mut entries = Vec::new();
        let mut bytes = 0;
        for entry in table.range(behind).map_err(failed("read changes"))? {
            let (revision, value) = entry.map_err(failed("read changes"))?;
            let value = value.value();
            bytes += value.len();
            if entries.len() >= page.transactions || (bytes > page.bytes && !entries.is_empty()) {
                break;
            }
            entries.push(Encoded {
                revision: Revision(revision.value()),
                value: value.to_vec(),
            });
        }
        Ok(entries)
    }
}

/// A transaction, encoded as it is on disk.
#[derive(Debug)]
pub(super) struct Encoded {
    /// The number of the transaction.
    pub revision: Revision,
    value: Vec<u8>,
}

impl Encoded {
    /// Decodes the transaction.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the bytes are not a transaction.
    pub fn decode(&self) -> Result<Logged, StoreError> {
        let (at_ms, changes) = decode("changes", &self.value)?;
        Ok(Logged {
            revision: self.revision,
            at_ms,
            changes,
        })
    }
}

#[cfg(test)]
mod tests;
