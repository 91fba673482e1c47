//! Tar archives, read and written as streams: POSIX pax(1), ustar, and GNU tar's long names and
//! sparse files. Reading is strict: a header with a wrong checksum, or with text in place of a
//! number, is an error.
//!
//! The reader is the project's own and not the crate `tar` (0.4). Of GNU tar's forms of a sparse
//! file, that crate knows only the old one; for the pax forms (0.0, 0.1, 1.0) it returns the stored
//! parts as if they were the whole file. This reader also checks each entry against
//! [`Limits`](crate::limits::Limits) before it reads the entry's data.

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

/// The metadata of a file, directory or link in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The path as it is in the archive, with any `.`, `..` and slashes.
    pub path: Vec<u8>,
    /// The kind of the entry.
    pub kind: Kind,
    /// The permissions (12 bits), with the set-user-ID, set-group-ID and sticky bit.
    pub mode: u32,
    /// The user ID of the owner.
    pub uid: u32,
    /// The group ID of the owner.
    pub gid: u32,
    /// When the file was last modified, in seconds since 1970 (UTC).
    pub mtime: i64,
    /// The size of a regular file in bytes, holes included; 0 for all other kinds.
    pub size: u64,
    /// The extended attributes, values by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The kind of an entry in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    #[default]
    File,
    /// A directory.
    Dir,
    /// A symbolic link to this path.
    Symlink(Vec<u8>),
    /// A hard link to the file of an earlier entry, the one with this path.
    Hardlink(Vec<u8>),
    /// A character device with this major and minor number.
    Character(u32, u32),
    /// A block device with this major and minor number.
    Block(u32, u32),
    /// A named pipe.
    Pipe,
}

/// The reason for which a tar archive can't be read.
#[derive(Debug, Error)]
pub enum TarError {
    /// The stream of the archive failed.
    #[error("the archive can't be read: {0}")]
    Read(#[source] io::Error),
    /// A file's data was read, but the sink that it was to be written to failed.
    #[error("the archive's contents can't be passed on: {0}")]
    Write(#[source] io::Error),
    /// The stream ended within an entry.
    #[error("the archive is cut short")]
    Short,
    /// Some bytes are not a valid header of a tar archive.
    #[error("no tar header at byte {at}: {why}")]
    Header {
        /// The offset of the header in the stream, in bytes.
        at: u64,
        /// The reason in words.
        why: &'static str,
    },
    /// A part of an entry, such as its path, is longer than a limit.
    #[error("{what} of an entry: more than {most} bytes")]
    Bound {
        /// The part: `path` or `names and attributes`.
        what: &'static str,
        /// The limit in bytes.
        most: u64,
    },
    /// The archive has more entries than this limit.
    #[error("more than {0} files and folders")]
    Entries(u64),
}

#[cfg(test)]
mod tests;
