//! An initramfs as a value: files by path, written in the `newc` cpio format. The same content
//! always gives the same bytes: times are 0, the owner is root, entries are sorted.
//!
//! Format: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeMap;

use thiserror::Error;

#[cfg(test)]
mod tests;

/// The last entry of every archive.
const TRAILER: &str = "TRAILER!!!";
/// Names and contents are padded to this many bytes.
const ALIGNMENT: usize = 4;

/// The reason for which a file or directory can't be added to an initramfs.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ArchiveError {
    /// The path is empty, not absolute, has an empty, `.` or `..` component or a zero byte, or is `/TRAILER!!!`, which
    /// marks an archive's end.
    #[error(
        "path {path:?} in the image: write an absolute path without `.`, `..` or empty parts, such as /sbin/agent"
    )]
    Path {
        /// The path, as it was given.
        path: String,
    },
    /// The path, or a directory above it, is already used for another kind of entry: a directory is
    /// needed where a file, link or device is, or the reverse.
    #[error("path {path:?} in the image is already something else: choose another path")]
    Taken {
        /// The path, as it was given.
        path: String,
    },
    /// The file has 4 GiB or more, which the `newc` format can't store.
    #[error("{path:?} is 4 GiB or larger, which an initramfs can't hold")]
    TooLarge {
        /// The path, as it was given.
        path: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Dir,
    File { contents: Vec<u8>, executable: bool },
    Link { target: String },
    Device { major: u32, minor: u32 },
}

/// The content of an initramfs in memory: files, directories, links and character devices, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// Returns an empty archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory with mode 0755, and the directories above it. Does nothing if the directory exists. `path` is
    /// absolute.
    ///
    /// # Errors
    /// Returns [`ArchiveError::Path`] if the path is not valid, [`ArchiveError::Taken`] if a file, link or device is at
    /// it or above it.
    pub fn dir(&mut self, path: &str) -> Result<(), ArchiveError> {
        let relative = relative(path)?;
        for (end, _) in relative.match_indices('/') {
            self.one_dir(&relative[..end], path)?;
        }
        self.one_dir(relative, path)
    }

    /// Adds a file with mode 0755 if it is `executable`, else 0644, and the directories above it.
    /// Replaces a file, link or device of the same path.
    ///
    /// # Errors
    /// Returns [`ArchiveError::Path`] if the path is not valid, [`ArchiveError::Taken`] if a
    /// directory is at it or another kind of entry is above it, [`ArchiveError::TooLarge`] if the
    /// contents have 4 GiB or more.
    pub fn file(
        &mut self,
        path: &str,
        contents: Vec<u8>,
        executable: bool,
    ) -> Result<(), ArchiveError> {
        if u32::try_from(contents.len()).is_err() {
            return Err(ArchiveError::TooLarge {
                path: path.to_owned(),
            });
        }
        self.put(
            path,
            Entry::File {
                contents,
                executable,
            },
        )
    }

    /// Adds a symbolic link to `target`, and the directories above the link. Replaces a file, link or device of the
    /// same path. `target` is stored as it is given, and need not exist.
    ///
    /// # Errors
    /// Returns [`ArchiveError::Path`] if the path is not valid, [`ArchiveError::Taken`] if a directory is at it or
    /// another kind of entry is above it.
    pub fn link(&mut self, path: &str, target: &str) -> Result<(), ArchiveError> {
        self.put(
            path,
            Entry::Link {
                target: target.to_owned(),
            },
        )
    }

    /// Adds a character device with mode 0600, and the directories above it. Replaces a file, link
    /// or device of the same path.
    ///
    /// # Errors
    /// Returns [`ArchiveError::Path`] if the path is not valid, [`ArchiveError::Taken`] if a
    /// directory is at it or another kind of entry is above it.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) -> Result<(), ArchiveError> {
        self.put(path, Entry::Device { major, minor })
    }

    /// Returns all paths in the archive, sorted and without the leading `/`.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Returns the bytes of the initramfs: a cpio archive in the `newc` format, not compressed.
    #[must_use]
    pub fn to_newc(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, (path, entry)) in self.entries.iter().enumerate() {
            let inode = u32::try_from(number + 1).unwrap_or(u32::MAX);
            match entry {
                Entry::Dir => write_entry(&mut out, inode, 0o040_755, (0, 0), path, &[]),
                Entry::File {
                    contents,
                    executable,
                } => {
                    let mode = if *executable { 0o100_755 } else { 0o100_644 };
                    write_entry(&mut out, inode, mode, (0, 0), path, contents);
                }
                Entry::Link { target } => {
                    write_entry(&mut out, inode, 0o120_777, (0, 0), path, target.as_bytes());
                }
                Entry::Device { major, minor } => {
                    write_entry(&mut out, inode, 0o020_600, (*major, *minor), path, &[]);
                }
            }
        }
        write_entry(&mut out, 0, 0, (0, 0), TRAILER, &[]);
        out
    }

    fn put(&mut self, path: &str, entry: Entry) -> Result<(), ArchiveError> {
        let relative = relative(path)?;
        if let Some((parent, _)) = relative.rsplit_once('/') {
            self.dir(&format!("/{parent}"))?;
        }
        match self.entries.get(relative) {
            Some(Entry::Dir) => {
                return Err(ArchiveError::Taken {
                    path: path.to_owned(),
                });
            }
            Some(_) | None => self.entries.insert(relative.to_owned(), entry),
        };
        Ok(())
    }

    fn one_dir(&mut self, relative: &str, path: &str) -> Result<(), ArchiveError> {
        match self.entries.get(relative) {
            None => {
                self.entries.insert(relative.to_owned(), Entry::Dir);
                Ok(())
            }
            Some(Entry::Dir) => Ok(()),
            Some(_) => Err(ArchiveError::Taken {
                path: path.to_owned(),
            }),
        }
    }
}

/// Returns `path` without its leading slash, if it names something below the root.
fn relative(path: &str) -> Result<&str, ArchiveError> {
    let error = || ArchiveError::Path {
        path: path.to_owned(),
    };
    let relative = path.strip_prefix('/').ok_or_else(error)?;
    let odd = |part: &str| matches!(part, "" | "." | "..") || part.contains('\0');
    if relative.split('/').any(odd) || relative == TRAILER {
        return Err(error());
    }
    Ok(relative)
}

fn write_entry(
    out: &mut Vec<u8>,
    inode: u32,
    mode: u32,
    device: (u32, u32),
    name: &str,
    contents: &[u8],
) {
    let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
    let size = u32::try_from(contents.len()).unwrap_or(u32::MAX);
    let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
    let fields = [
        inode, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0,
    ];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(contents);
    pad(out);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}
