//! What a container wrote, byte for byte: files `log.N` in its directory.
//!
//! ```text
//!   record: stream, 1 byte │ time, 8 bytes LE, nanoseconds since 1970 │ length, 4 bytes LE │ bytes
//! ```
//!
//! `N` counts up; only the last few files are kept. A record that was cut off when the writer died is
//! taken away by the next writer, and is nothing to a reader.

mod read;
mod write;

pub use read::{Reader, Record};
pub use write::Writer;

use std::{fs, io, path::Path};

const HEADER: usize = 1 + 8 + 4;
/// Most bytes of one record.
const MAX_RECORD: usize = 1 << 20;

/// A position between two records.
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
    /// Which file.
    pub file: u64,
    /// How many bytes into it.
    pub offset: u64,
}

fn name(file: u64) -> String {
    format!("log.{file}")
}

/// The numbers of the files that are there, in ascending order.
///
/// # Errors
/// The directory can't be read.
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
