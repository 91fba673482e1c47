//! Merges the layers of an image into one tree of files (OCI image-spec, layer.md), and writes the
//! tree as one tar archive.
//!
//! Nothing is ever unpacked: [`Tree`] knows names, and which layer has each file's data. [`emit()`]
//! reads the layers a second time and writes the files that remain. A path is only a key in this
//! tree, so that no path can lead out of it.

mod emit;
mod insert;

pub use emit::{MergeError, Plan, emit};

use crate::limits::Limits;
use crate::tar::{Entry, Kind, Reader, TarError};
use std::collections::BTreeMap;
use std::io::Read;
use thiserror::Error;

/// The beginning of a file name that marks the rest as removed from the layers below.
const WHITEOUT: &[u8] = b".wh.";
/// The file name that marks its directory's content as removed from the layers below.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other marks of aufs, without meaning here.
const AUFS: &[u8] = b".wh..wh.";
const ROOT: usize = 0;

/// The reason for which a layer of an image is not valid.
#[derive(Debug, Error)]
pub enum LayerError {
    /// The layer is not a valid tar archive.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// The image exceeds a limit that the administrator can raise: in number or size of its files.
    #[error("the image has more than {most} {what}: raise `{setting}`, or use a smaller image")]
    Bound {
        /// What the limit counts, in the plural: `MiB` or `files and folders`.
        what: &'static str,
        /// The maximum number of them.
        most: u64,
        /// The key of vch.toml that sets the limit.
        setting: &'static str,
    },
    /// The paths, link targets and extended attributes of the image's files have together more than this many bytes.
    #[error(
        "the names and attributes of its files have more than {0} bytes: use an image with fewer or shorter ones"
    )]
    Names(u64),
    /// A path in the layer is not valid.
    #[error("`{path}` {why}")]
    Path {
        /// The path, as it is in the layer.
        path: String,
        /// The predicate of the sentence whose subject is the path, such as "leads out of the
        /// image".
        why: &'static str,
    },
}

/// The files of an image, as the layers that were applied so far leave them. Contains names and
/// attributes, but no data.
pub struct Tree {
    limits: Limits,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    layers: usize,
    entries: u64,
    bytes: u64,
    names: u64,
}

struct Node {
    /// The layer in which the name was last made.
    layer: usize,
    what: What,
}

enum What {
    Dir(Entry, BTreeMap<Vec<u8>, usize>),
    /// The index of the leaf; hard links share one.
    Leaf(usize),
}

struct Leaf {
    entry: Entry,
    layer: usize,
    /// Its position among its layer's entries.
    ordinal: usize,
}

/// Reads the tar archive of one layer, and returns its entries (files, directories and links, without data) in the
/// archive's order, and the sum of the files' sizes in bytes. `layer` is a stream of the uncompressed archive, which is
/// read to its end.
///
/// # Errors
/// Returns [`LayerError`] if the layer is not a valid tar archive, or exceeds a limit.
pub fn entries(layer: impl Read, limits: Limits) -> Result<(Vec<Entry>, u64), LayerError> {
    let mut reader = Reader::new(layer, limits);
    let mut found = Vec::new();
    let (mut bytes, mut names) = (0_u64, 0_u64);
    while let Some(entry) = reader.next_entry()? {
        check_attributes(&entry)?;
        names = names.saturating_add(names_of(&entry));
        if names > limits.names_bytes {
            return Err(LayerError::Names(limits.names_bytes));
        }
        bytes = bytes.saturating_add(entry.size);
        if bytes > limits.unpacked_bytes {
            return Err(too_many_bytes(limits));
        }
        if found.len() as u64 >= limits.entries {
            return Err(too_many_entries(limits));
        }
        found.push(entry);
    }
    // What stands behind the end of the archive is part of the layer's digest.
    let rest = std::io::copy(&mut reader.into_inner(), &mut std::io::sink());
    rest.map_err(TarError::Read)?;
    Ok((found, bytes))
}

/// Checks the lengths of extended attributes against the kernel's (XATTR_NAME_MAX, XATTR_SIZE_MAX
/// of linux/limits.h).
fn check_attributes(entry: &Entry) -> Result<(), LayerError> {
    let fits = |(name, value): (&Vec<u8>, &Vec<u8>)| name.len() <= 255 && value.len() <= 64 << 10;
    if entry.xattrs.iter().all(fits) {
        return Ok(());
    }
    Err(LayerError::Path {
        path: String::from_utf8_lossy(&entry.path).into_owned(),
        why: "has an extended attribute that is too long for any file system",
    })
}

/// Returns the bytes of an entry's names and attributes.
fn names_of(entry: &Entry) -> u64 {
    let link = match &entry.kind {
        Kind::Symlink(target) | Kind::Hardlink(target) => target.len(),
        _ => 0,
    };
    let attributes = entry.xattrs.iter();
    let attributes: usize = attributes
        .map(|(name, value)| name.len() + value.len())
        .sum();
    (entry.path.len() + link + attributes) as u64
}

/// The setting that bounds the number of files.
pub(crate) const ENTRIES: &str = "images.entries";

pub(crate) fn too_many_bytes(limits: Limits) -> LayerError {
    LayerError::Bound {
        what: "MiB",
        most: limits.unpacked_bytes >> 20,
        setting: "images.unpacked_mib",
    }
}

pub(crate) fn too_many_entries(limits: Limits) -> LayerError {
    LayerError::Bound {
        what: "files and folders",
        most: limits.entries,
        setting: ENTRIES,
    }
}

impl Tree {
    /// Returns a tree without layers: an empty root directory.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            nodes: vec![Node {
                layer: 0,
                what: What::Dir(implied(), BTreeMap::new()),
            }],
            leaves: Vec::new(),
            layers: 0,
            entries: 0,
            bytes: 0,
            names: 0,
        }
    }

    /// Applies the entries of the next higher layer, in the order of [`entries`]. A whiteout (an
    /// entry that removes files) concerns only the layers below, wherever it is in the archive.
    ///
    /// # Errors
    /// Returns [`LayerError`] if an entry's path is not valid, or if the image exceeds a limit.
    pub fn apply(&mut self, entries: Vec<Entry>) -> Result<(), LayerError> {
        let mut wanted = Vec::with_capacity(entries.len());
        for (ordinal, entry) in entries.into_iter().enumerate() {
            self.count(&entry)?;
            let path = self.components(&entry.path)?;
            match path.last() {
                Some(name) if name == OPAQUE => {
                    if let Some(children) = self.children(&path[..path.len() - 1]) {
                        children.clear();
                    }
                }
                Some(name) if name.starts_with(AUFS) => {}
                Some(name) if name.starts_with(WHITEOUT) => {
                    let name = name[WHITEOUT.len()..].to_owned();
                    if let Some(children) = self.children(&path[..path.len() - 1]) {
                        children.remove(&name);
                    }
                }
                _ => wanted.push((ordinal, path, entry)),
            }
        }
        for (ordinal, path, entry) in wanted {
            self.insert(&path, entry, ordinal)?;
        }
        self.layers += 1;
        Ok(())
    }

    fn count(&mut self, entry: &Entry) -> Result<(), LayerError> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
        self.names = self.names.saturating_add(names_of(entry));
        if self.names > self.limits.names_bytes {
            return Err(LayerError::Names(self.limits.names_bytes));
        }
        if self.entries > self.limits.entries {
            return Err(too_many_entries(self.limits));
        }
        if self.bytes > self.limits.unpacked_bytes {
            return Err(too_many_bytes(self.limits));
        }
        Ok(())
    }

    /// Returns the names in a path, with `.` left out and `..` resolved.
    fn components(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, LayerError> {
        let wrong = |why| LayerError::Path {
            path: String::from_utf8_lossy(path).into_owned(),
            why,
        };
        let mut names: Vec<Vec<u8>> = Vec::new();
        for name in path.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => {
                    names.pop().ok_or(wrong("leads out of the image"))?;
                }
                _ if name.len() > self.limits.name_bytes => {
                    return Err(wrong("has a name that is too long"));
                }
                _ if name.contains(&0) => return Err(wrong("has a zero byte")),
                _ => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }

    /// Returns the children of an existing directory, without following links.
    fn children(&mut self, path: &[Vec<u8>]) -> Option<&mut BTreeMap<Vec<u8>, usize>> {
        let mut at = ROOT;
        for name in path {
            let What::Dir(_, children) = &self.nodes[at].what else {
                return None;
            };
            at = *children.get(name)?;
        }
        match &mut self.nodes[at].what {
            What::Dir(_, children) => Some(children),
            What::Leaf(_) => None,
        }
    }
}

/// Returns a directory's entry for a path that no layer describes.
fn implied() -> Entry {
    Entry {
        kind: Kind::Dir,
        mode: 0o755,
        ..Entry::default()
    }
}

#[cfg(test)]
mod tests;
