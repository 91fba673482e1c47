//! The VM's disks, by serial number.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const APPEARS: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The device of the disk with a serial number, as soon as its driver has found it.
///
/// # Errors
/// There is none.
pub fn device(serial: &str) -> io::Result<PathBuf> {
    let end = Instant::now() + APPEARS;
    loop {
        if let Some(device) = now(serial)? {
            return Ok(device);
        }
        if Instant::now() > end {
            let reason = format!("the VM has no disk with the serial number {serial}");
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "sysfs tells nobody of a new device"
        )]
        thread::sleep(LOOK_AGAIN);
    }
}

/// The device of the disk with a serial number, if it is there.
///
/// # Errors
/// sysfs can't be read.
pub fn now(serial: &str) -> io::Result<Option<PathBuf>> {
    for block in fs::read_dir("/sys/block")? {
        let block = block?;
        let there = fs::read_to_string(block.path().join("serial")).unwrap_or_default();
        if there.trim_end() == serial {
            return Ok(Some(Path::new("/dev").join(block.file_name())));
        }
    }
    Ok(None)
}
