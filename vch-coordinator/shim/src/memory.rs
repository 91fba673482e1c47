//! The memory of a template (a saved VM): a sparse file, of which each clone gets a copy.

use nix::sys::memfd::{MFdFlags, memfd_create};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::fd::OwnedFd,
    path::Path,
};
use thiserror::Error;

/// The name of the memory's file in a template's directory.
pub const FILE: &str = "memory";
/// Copied at a time.
pub(crate) const CHUNK: usize = 1 << 20;

/// The reason for which the memory of a template (a saved VM) can't be copied.
#[derive(Debug, Error)]
#[error("cannot {operation} of the template")]
pub struct MemoryError {
    operation: &'static str,
    #[source]
    source: io::Error,
}

fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> MemoryError {
    move |source| MemoryError { operation, source }
}

/// Copies the memory of a template (a saved VM) to a new anonymous file in memory, for one clone
/// alone.
///
/// # Errors
/// Returns [`MemoryError`] if the template does not exist, or if the host has no memory for the
/// copy.
pub fn of_template(template: &Path) -> Result<OwnedFd, MemoryError> {
    let mut from = File::open(template.join(FILE)).map_err(failed("open the memory"))?;
    let to = memfd_create(c"guest", MFdFlags::MFD_CLOEXEC);
    let mut to = File::from(to.map_err(|error| failed("make room for the memory")(error.into()))?);
    copy(&mut from, &mut to)?;
    Ok(to.into())
}

/// Copies a sparse file: its holes and its pages of zeroes take no room in the copy.
///
/// # Errors
/// Returns [`MemoryError`] if a file can't be read or written.
pub fn copy(from: &mut File, to: &mut File) -> Result<(), MemoryError> {
    let length = from.metadata().map_err(failed("measure a file"))?.len();
    to.set_len(length).map_err(failed("make room for a copy"))?;
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    while let Some((begin, end)) = data(from, offset, length) {
        from.seek(SeekFrom::Start(begin))
            .map_err(failed("read a file"))?;
        to.seek(SeekFrom::Start(begin))
            .map_err(failed("copy a file"))?;
        let mut left = end - begin;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            from.read_exact(&mut buffer[..most])
                .map_err(failed("read a file"))?;
            // Pages of zeroes that were written take no room in the copy.
            if buffer[..most].iter().any(|byte| *byte != 0) {
                to.write_all(&buffer[..most])
                    .map_err(failed("copy a file"))?;
            } else {
                to.seek(SeekFrom::Current(i64::try_from(most).unwrap_or(0)))
                    .map_err(failed("copy a file"))?;
            }
            left -= most as u64;
        }
        offset = end;
    }
    Ok(())
}

/// Returns the next part of a file that is not a hole.
fn data(file: &File, offset: u64, length: u64) -> Option<(u64, u64)> {
    use nix::unistd::{Whence, lseek};
    if offset >= length {
        return None;
    }
    let at = i64::try_from(offset).ok()?;
    let begin = lseek(file, at, Whence::SeekData).ok()?;
    let end = lseek(file, begin, Whence::SeekHole).ok()?;
    Some((u64::try_from(begin).ok()?, u64::try_from(end).ok()?))
}
