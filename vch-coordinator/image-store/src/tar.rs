//! Tar archives, read and written as streams: POSIX pax(1), ustar, and GNU tar's long names and sparse
//! files. Read strictly: a header whose checksum is wrong, or a number that is none, ends the reading.
//!
//! The reader is the project's own and not the crate `tar` (0.4): of GNU tar's forms of a sparse file that crate knows the
//! old one alone, and hands out what an archive stores of a file in a pax form (0.0, 0.1, 1.0) as if it were the file. Here
//! each entry counts against bounds ([`Limits`](crate::limits::Limits)), too, before its data is read.

mod numbers;
mod pax;
mod read;
mod sparse;
mod write;

pub use read::Reader;
pub use write::Writer;

use std::collections::BTreeMap;
use std::io;
use thiserror::Error;

/// Everything in a tar archive is a multiple of this.
const BLOCK: usize = 512;

/// What stands in an archive beside a file's data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// As the archive says; nothing is resolved yet.
    pub path: Vec<u8>,
    /// File, directory, link.
    pub kind: Kind,
    /// Permissions with set-user-ID, set-group-ID and sticky bit: 12 bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Bytes of a file's data, holes included; 0 for all else.
    pub size: u64,
    /// Extended attributes: name, value.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The kinds of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    #[default]
    File,
    /// A directory.
    Dir,
    /// A symbolic link with its text.
    Symlink(Vec<u8>),
    /// Another name of the file with this path.
    Hardlink(Vec<u8>),
    /// A character device: major, minor.
    Character(u32, u32),
    /// A block device: major, minor.
    Block(u32, u32),
    /// A named pipe.
    Pipe,
}

/// Why an archive can't be read.
#[derive(Debug, Error)]
pub enum TarError {
    /// The stream fails.
    #[error("the archive can't be read: {0}")]
    Read(#[source] io::Error),
    /// What is read from it can't be passed on.
    #[error("the archive's contents can't be passed on: {0}")]
    Write(#[source] io::Error),
    /// The stream ends within an entry.
    #[error("the archive is cut short")]
    Short,
    /// It is no tar archive, or a damaged one.
    #[error("no tar header at byte {at}: {why}")]
    Header {
        /// Where the header begins.
        at: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something in it is beyond a bound.
    #[error("{what} of an entry: more than {most} bytes")]
    Bound {
        /// What is too long.
        what: &'static str,
        /// How long it may be.
        most: u64,
    },
    /// More entries than may be.
    #[error("more than {0} files and folders")]
    Entries(u64),
}

#[cfg(test)]
mod tests;
