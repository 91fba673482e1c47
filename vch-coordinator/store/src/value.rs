//! Encodes and decodes values of the store (postcard).

use super::StoreError;

pub(super) fn decode<'a, T: serde::Deserialize<'a>>(
    table: &'static str,
    bytes: &'a [u8],
) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|source| StoreError::Value { table, source })
}

pub(super) fn encode(
    table: &'static str,
    value: &impl serde::Serialize,
) -> Result<Vec<u8>, StoreError> {
    postcard::to_allocvec(value).map_err(|source| StoreError::Value { table, source })
}
