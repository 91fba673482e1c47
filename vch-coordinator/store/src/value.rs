//! Encodes and decodes values of the store (postcard).

use super::StoreError;

/// Decodes a value of a table.
///
/// # Errors
/// Returns [`StoreError`] with the table's name if the bytes are not such a value.
pub(super) fn decode<'a, T: serde::Deserialize<'a>>(
    table: &'static str,
    bytes: &'a [u8],
) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|source| StoreError::Value { table, source })
}

/// Encodes a value for a table.
///
/// # Errors
/// Returns [`StoreError`] with the table's name if the value can't be encoded.
pub(super) fn encode(
    table: &'static str,
    value: &impl serde::Serialize,
) -> Result<Vec<u8>, StoreError> {
    postcard::to_allocvec(value).map_err(|source| StoreError::Value { table, source })
}
