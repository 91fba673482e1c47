//! The log of a container's output, byte for byte: files `log.N` in the container's directory.
//!
//! ```text
//!   record: stream, 1 byte │ time, 8 bytes LE, nanoseconds since 1970 │ length, 4 bytes LE │ bytes
//! ```
//!
//! The stream is 0 for standard output and 1 for standard error. `N` counts up; only the last few
//! files are kept. A record that was cut off when the writer died is removed by the next writer,
//! and ignored by readers.

mod read;
mod write;

pub use read::{Reader, Record};
pub use write::Writer;

use std::{fs, io, path::Path};

const HEADER: usize = 1 + 8 + 4;
/// Most bytes of one record.
const MAX_RECORD: usize = 1 << 20;

/// A position in a container's log, between two records. Positions are ordered as the log is; the
/// default is the beginning of the first file.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Position {
    /// The number `N` of the file `log.N`.
    pub file: u64,
    /// The offset in that file, in bytes.
    pub offset: u64,
}

fn name(file: u64) -> String {
    format!("log.{file}")
}

/// Returns the numbers `N` of the files `log.N` in a container's directory, in ascending order.
///
/// # Errors
/// Returns the error of reading the directory.
pub fn files(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("log."));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests;
