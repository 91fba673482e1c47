//! Keeps images from filling the disk, which may also hold the coordinator's own state.

use super::{ImageError, Settings};
use nix::sys::statvfs::statvfs;
use std::time::Duration;

/// How often room is looked at while a helper writes: a disk that takes 1 GB/s is within the floor's reach.
const PERIOD: Duration = Duration::from_millis(500);
/// Without a setting, this part of the file system stays free.
const DEFAULT_PART: u64 = 20;
/// And no more than this.
const DEFAULT_BYTES: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// Checks that more space is free than images must leave free.
///
/// # Errors
/// Returns [`ImageError::Room`] if it is not.
pub(super) fn check(settings: &Settings) -> Result<(), ImageError> {
    let about = match statvfs(&settings.dir) {
        Ok(about) => about,
        Err(source) => {
            return Err(ImageError::File {
                operation: "look for room in",
                path: settings.dir.clone(),
                source: source.into(),
            });
        }
    };
    let size = about.blocks().saturating_mul(about.fragment_size());
    let free = about
        .blocks_available()
        .saturating_mul(about.fragment_size());
    let default = (size / DEFAULT_PART).min(DEFAULT_BYTES);
    let floor = settings.free_bytes.unwrap_or(default);
    if free >= floor {
        return Ok(());
    }
    Err(ImageError::Room {
        path: settings.dir.clone(),
        free_mib: free / MIB,
        floor_mib: floor.div_ceil(MIB),
    })
}

/// Waits until too little space is free. The future has to be dropped once nothing is written any
/// more.
pub(super) async fn watch(settings: &Settings) -> ImageError {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // One system call that waits for no disk.
        if let Err(error) = check(settings) {
            return error;
        }
    }
}
