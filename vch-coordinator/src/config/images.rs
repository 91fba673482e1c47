//! What images may take.

use super::{ConfigError, error::Source, fields};
use vch_image_store::Limits;

/// A disk of 16 TiB, as for `runtime.disk_mib`.
const MOST_MIB: u64 = 16 << 20;
/// Names of an image are in memory while its root file system is made: some 500 bytes each, of the 4 GiB that
/// a helper may take.
const MOST_ENTRIES: u64 = 4_000_000;

/// What images may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    /// Of each.
    pub limits: Limits,
    /// Bytes of the state directory's file system that they leave free; `None` for the store's own choice.
    pub free_bytes: Option<u64>,
}

pub(super) fn images(source: &Source<'_>, table: fields::Images) -> Result<Images, ConfigError> {
    let default = Limits::default();
    let packed = source.number(
        "images.packed_mib",
        table.packed_mib,
        default.packed_bytes >> 20,
        1..=MOST_MIB,
    )?;
    let unpacked = source.number(
        "images.unpacked_mib",
        table.unpacked_mib,
        default.unpacked_bytes >> 20,
        1..=MOST_MIB,
    )?;
    let entries = source.number(
        "images.entries",
        table.entries,
        default.entries,
        1..=MOST_ENTRIES,
    )?;
    let free = match table.free_disk_mib {
        None => None,
        said => Some(source.number("images.free_disk_mib", said, 0, 0..=MOST_MIB)? << 20),
    };
    Ok(Images {
        limits: Limits {
            packed_bytes: packed << 20,
            unpacked_bytes: unpacked << 20,
            entries,
            ..default
        },
        free_bytes: free,
    })
}
