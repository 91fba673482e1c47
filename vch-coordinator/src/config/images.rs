//! The table `[images]`: the limits of images.

use super::{ConfigError, error::Source, fields};
use vch_image_store::Limits;

/// The size of a disk of 16 TiB in MiB, as for `runtime.disk_mib`.
const MOST_MIB: u64 = 16 << 20;
/// The maximum number of files in an image. All names are in memory while the root file system is
/// made, about 500 bytes each, and a helper may use 4 GiB.
const MOST_ENTRIES: u64 = 4_000_000;

/// The limits on images, from the table `[images]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    /// The greatest sizes and numbers of files that one image may have. An image beyond them is neither pulled nor
    /// loaded.
    pub limits: Limits,
    /// The space on the state directory's file system that pulled and loaded images must leave free, in bytes; `None`
    /// for a twentieth of that file system, at most 1 GiB.
    pub free_bytes: Option<u64>,
}

/// Checks the table `[images]`.
///
/// # Errors
/// Returns [`ConfigError::Field`] if a number is outside its range.
pub(super) fn images(
    source: &Source<'_>,
    table: fields::ImagesTable,
) -> Result<Images, ConfigError> {
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
