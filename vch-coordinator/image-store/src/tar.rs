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

/// The metadata of a file in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The path as it stands in the archive; nothing is resolved yet.
    pub path: Vec<u8>,
    /// The kind of the entry.
    pub kind: Kind,
    /// The permissions with set-user-ID, set-group-ID and sticky bit: 12 bits.
    pub mode: u32,
    /// The user ID of the owner.
    pub uid: u32,
    /// The group ID of the owner.
    pub gid: u32,
    /// The time of the last modification, in seconds since 1970.
    pub mtime: i64,
    /// The bytes of a file's data, holes included; 0 for all other kinds.
    pub size: u64,
    /// The extended attributes, by name.
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
    /// A symbolic link with its target.
    Symlink(Vec<u8>),
    /// A hard link to the file with this path.
    Hardlink(Vec<u8>),
    /// A character device with its major and minor number.
    Character(u32, u32),
    /// A block device with its major and minor number.
    Block(u32, u32),
    /// A named pipe.
    Pipe,
}

/// The reason for which an archive can't be read.
#[derive(Debug, Error)]
pub enum TarError {
    /// The stream failed.
    #[error("the archive can't be read: {0}")]
    Read(#[source] io::Error),
    /// Data that was read can't be passed on.
    #[error("the archive's contents can't be passed on: {0}")]
    Write(#[source] io::Error),
    /// The stream ended within an entry.
    #[error("the archive is cut short")]
    Short,
    /// A header is not one of a tar archive, or is damaged.
    #[error("no tar header at byte {at}: {why}")]
    Header {
        /// The offset of the header in the stream, in bytes.
        at: u64,
        /// The reason, as text.
        why: &'static str,
    },
    /// A part of the archive is beyond a bound.
    #[error("{what} of an entry: more than {most} bytes")]
    Bound {
        /// The part.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// The archive has more entries than this.
    #[error("more than {0} files and folders")]
    Entries(u64),
}

#[cfg(test)]
mod tests;
