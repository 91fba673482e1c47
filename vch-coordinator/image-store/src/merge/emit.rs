//! Writes the tree as one archive: first the directories, then each layer's files in the order in
//! which they are read.

use super::{LayerError, ROOT, Tree, What};
use crate::limits::Limits;
use crate::tar::{Entry, Kind, Reader, TarError, Writer};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use thiserror::Error;

/// The content of the merged archive of an image, in the order in which [`emit`] writes it: first the directories, then
/// all other entries.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The directories: the root first, and parents before their children.
    pub dirs: Vec<Entry>,
    /// All entries that are no directories. The key is the number of the layer (0 is the lowest) and the entry's
    /// position in that layer's archive, from 0. The value is the entry with all of its paths, in ascending order:
    /// several paths are hard links to the same file.
    pub leaves: BTreeMap<(usize, usize), Named>,
}

/// An entry with all of its paths, in ascending order; several paths are hard links to the same
/// file.
pub type Named = (Entry, Vec<Vec<u8>>);

/// The reason for which the merged archive of an image can't be written.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A layer is not valid.
    #[error("layer {layer}: {source}")]
    Layer {
        /// The layer's number; 0 is the lowest layer.
        layer: usize,
        /// The reason.
        source: LayerError,
    },
    /// The output can't be written.
    #[error("the merged archive can't be written: {0}")]
    Write(#[from] io::Error),
}

impl Tree {
    /// Decides the content and the order of the archive that [`emit`] writes: every file, directory and link that is
    /// left when all layers are applied.
    pub fn plan(self) -> Plan {
        let mut plan = Plan::default();
        let mut ahead = vec![(ROOT, Vec::new())];
        while let Some((node, path)) = ahead.pop() {
            match &self.nodes[node].what {
                What::Dir(entry, children) => {
                    for (name, child) in children.iter().rev() {
                        let mut below: Vec<u8> = path.clone();
                        if !below.is_empty() {
                            below.push(b'/');
                        }
                        below.extend_from_slice(name);
                        ahead.push((*child, below));
                    }
                    let mut entry = entry.clone();
                    entry.path = if path.is_empty() { b".".to_vec() } else { path };
                    entry.path.push(b'/');
                    plan.dirs.push(entry);
                }
                What::Leaf(leaf) => {
                    let leaf = &self.leaves[*leaf];
                    let key = (leaf.layer, leaf.ordinal);
                    let found = plan.leaves.entry(key);
                    let (_, paths) = found.or_insert_with(|| (leaf.entry.clone(), Vec::new()));
                    paths.push(path);
                }
            }
        }
        plan
    }
}

/// Writes the planned archive to `output`, and returns `output`. `layers` must be the layers that the tree was made of,
/// the lowest first, which are read a second time for the files' data; each is a stream of an uncompressed tar archive.
/// `limits` are those of the first reading.
///
/// # Errors
/// Returns [`MergeError`] if a layer is not valid, or if the output can't be written.
pub fn emit<R: Read, W: Write>(
    plan: &Plan,
    layers: impl IntoIterator<Item = R>,
    limits: Limits,
    output: W,
) -> Result<W, MergeError> {
    let mut writer = Writer::new(output);
    for dir in &plan.dirs {
        writer.append(&timed(dir.clone()))?;
    }
    for (layer, stream) in layers.into_iter().enumerate() {
        let broken = |source: TarError| match source {
            TarError::Write(error) => MergeError::Write(error),
            source => MergeError::Layer {
                layer,
                source: source.into(),
            },
        };
        let mut reader = Reader::new(stream, limits);
        let mut ordinal = 0;
        while let Some(entry) = reader.next_entry().map_err(broken)? {
            if let Some((planned, paths)) = plan.leaves.get(&(layer, ordinal)) {
                let mut named = timed(planned.clone());
                named.path = paths.first().cloned().unwrap_or_default();
                writer.append(&named)?;
                if entry.kind == Kind::File {
                    reader.copy_data(&mut writer).map_err(broken)?;
                }
                for path in paths.iter().skip(1) {
                    writer.append(&Entry {
                        path: path.clone(),
                        kind: Kind::Hardlink(named.path.clone()),
                        size: 0,
                        xattrs: BTreeMap::new(),
                        ..named
                    })?;
                }
            }
            ordinal += 1;
        }
    }
    Ok(writer.finish()?)
}

/// Moves an entry's time into the range of a squashfs, 1970 to 2106 (squashfs_fs.h:
/// squashfs_base_inode).
fn timed(mut entry: Entry) -> Entry {
    entry.mtime = entry.mtime.clamp(0, i64::from(u32::MAX));
    entry
}
