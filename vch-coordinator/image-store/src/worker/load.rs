//! Loads archives of images: those of `docker save` (manifest.json), and OCI image layouts (index.json).

use super::WorkError;
use super::budget::Budget;
use crate::config::Config;
use crate::digest::Digest;
use crate::job::{Arrived, ArrivedLayer, Detail, Piece};
use crate::limits::Limits;
use crate::oci::{self, Index, Manifest};
use crate::reference::Reference;
use crate::tar::{Kind, Reader};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};

/// Indexes may stand in indexes; not for ever.
const MAX_NESTING: usize = 4;
/// How many links are followed from a name to its file.
const MAX_LINKS: usize = 8;

/// An image as manifest.json tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

struct Members {
    files: BTreeMap<String, Piece>,
    links: BTreeMap<String, String>,
    limits: Limits,
    examined: BTreeMap<Digest, ArrivedLayer>,
}

/// Reads the archive of `docker save` from `input` into the current directory. Returns its images.
///
/// # Errors
/// Returns [`WorkError`] if the archive can't be read or is broken, or an image is beyond the
/// limits.
pub(super) fn load(
    input: impl Read,
    limits: Limits,
    output: &mut impl Write,
) -> Result<Vec<Arrived>, WorkError> {
    // `docker load` takes the archive packed too.
    let archive = crate::layer::Unpacked::new(input, limits.packed_bytes.saturating_mul(2));
    let archive = archive.map_err(WorkError::Input)?;
    let mut members = Members::receive(archive, limits, output)?;
    let found = if members.find("manifest.json").is_some() {
        members.saved(output)?
    } else if members.find("index.json").is_some() {
        let index: Index = members.document("index.json")?;
        let mut found = Vec::new();
        members.layout(&index, &[], MAX_NESTING, output, &mut found)?;
        found
    } else {
        let what = "it has neither manifest.json nor index.json: make it by `docker save`, or bring a root file system in by `docker import`";
        return Err(WorkError::Content(what.to_owned()));
    };
    if found.is_empty() {
        return Err(WorkError::Content(
            "it has no image for linux/amd64".to_owned(),
        ));
    }
    if found.len() > limits.images {
        let many = format!("it has more than {} images", limits.images);
        return Err(WorkError::Content(many));
    }
    Ok(found)
}

impl Members {
    fn receive(
        archive: impl Read,
        limits: Limits,
        output: &mut impl Write,
    ) -> Result<Self, WorkError> {
        let mut members = Self {
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            limits,
            examined: BTreeMap::new(),
        };
        let mut reader = Reader::new(archive, limits);
        let mut bytes = 0_u64;
        while let Some(entry) = reader.next_entry()? {
            let name = normal(&String::from_utf8_lossy(&entry.path));
            match &entry.kind {
                Kind::File => {
                    bytes = bytes.saturating_add(entry.size);
                    if bytes > limits.packed_bytes {
                        return Err(WorkError::Long(limits.packed_bytes));
                    }
                    let file = format!("member{}", members.files.len());
                    let mut sink = Sink::new(&file)?;
                    reader.copy_data(&mut sink)?;
                    members.files.insert(name, sink.finish(file));
                    let detail = Detail {
                        current: Some(bytes),
                        total: None,
                    };
                    super::tell(output, "Loading", "archive", detail)?;
                }
                Kind::Symlink(target) => {
                    let target = String::from_utf8_lossy(target).into_owned();
                    let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
                    let target = normal(&format!("{dir}/{target}"));
                    members.links.insert(name, target);
                }
                Kind::Hardlink(target) => {
                    let target = normal(&String::from_utf8_lossy(target));
                    members.links.insert(name, target);
                }
                _ => {}
            }
        }
        Ok(members)
    }

    fn find(&self, name: &str) -> Option<&Piece> {
        let mut name = normal(name);
        for _ in 0..MAX_LINKS {
            match self.links.get(&name) {
                Some(target) => name.clone_from(target),
                None => return self.files.get(&name),
            }
        }
        None
    }

    fn piece(&self, name: &str) -> Result<Piece, WorkError> {
        let missing = || WorkError::Content(format!("{name} is missing"));
        self.find(name).cloned().ok_or_else(missing)
    }

    fn bytes(&self, piece: &Piece, name: &str) -> Result<Vec<u8>, WorkError> {
        if piece.size > self.limits.document_bytes {
            let most = self.limits.document_bytes;
            return Err(WorkError::Content(format!(
                "{name} has more than {most} bytes"
            )));
        }
        std::fs::read(&piece.file).map_err(|source| WorkError::File {
            file: piece.file.clone(),
            source,
        })
    }

    fn document<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<T, WorkError> {
        let bytes = self.bytes(&self.piece(name)?, name)?;
        let wrong = |error| WorkError::Content(format!("{name}: {error}"));
        serde_json::from_slice(&bytes).map_err(wrong)
    }

    fn saved(&mut self, output: &mut impl Write) -> Result<Vec<Arrived>, WorkError> {
        let saved: Vec<Saved> = self.document("manifest.json")?;
        let mut found = Vec::new();
        for saved in saved.into_iter().take(self.limits.images + 1) {
            let mut names = Vec::new();
            for tag in saved.repo_tags.unwrap_or_default() {
                let wrong = |error| WorkError::Content(format!("name `{tag}`: {error}"));
                names.push(tag.parse::<Reference>().map_err(wrong)?);
            }
            let config = self.piece(&saved.config)?;
            found.push(self.image(names, config, &saved.layers, output)?);
        }
        Ok(found)
    }

    /// Loads the images of an index that are for this machine.
    fn layout(
        &mut self,
        index: &Index,
        above: &[Reference],
        nesting: usize,
        output: &mut impl Write,
        found: &mut Vec<Arrived>,
    ) -> Result<(), WorkError> {
        for descriptor in index.manifests.iter().filter(|one| one.is_for_us()) {
            if found.len() > self.limits.images {
                return Ok(());
            }
            let own = descriptor.names();
            let names = if own.is_empty() { above.to_vec() } else { own };
            let path = blob(&descriptor.digest);
            if oci::is_index(&descriptor.media_type) {
                if nesting == 0 {
                    let deep = "its indexes are nested too deeply";
                    return Err(WorkError::Content(deep.to_owned()));
                }
                let inner: Index = self.document(&path)?;
                self.layout(&inner, &names, nesting - 1, output, found)?;
                continue;
            }
            let manifest: Manifest = self.document(&path)?;
            let config = self.piece(&blob(&manifest.config.digest))?;
            let layers: Vec<_> = manifest
                .layers
                .iter()
                .map(|one| blob(&one.digest))
                .collect();
            found.push(self.image(names, config, &layers, output)?);
        }
        Ok(())
    }

    fn image(
        &mut self,
        names: Vec<Reference>,
        config: Piece,
        layers: &[String],
        output: &mut impl Write,
    ) -> Result<Arrived, WorkError> {
        if layers.len() > self.limits.layers {
            let most = self.limits.layers;
            return Err(WorkError::Content(format!(
                "an image has more than {most} layers"
            )));
        }
        let bytes = self.bytes(&config, "its configuration")?;
        let wrong = |error| WorkError::Content(format!("its configuration: {error}"));
        let document: Config = serde_json::from_slice(&bytes).map_err(wrong)?;
        let mut examined = Vec::new();
        let mut budget = Budget::new(self.limits);
        for name in layers {
            let piece = self.piece(name)?;
            let layer = match self.examined.get(&piece.digest) {
                Some(layer) => {
                    budget.take(layer.bytes)?;
                    layer.clone()
                }
                None => budget.examine(piece)?,
            };
            let (id, total) = (layer.diff_id.short(), Some(layer.piece.size));
            let current = total;
            super::tell(output, "Loading layer", &id, Detail { current, total })?;
            self.examined.insert(layer.piece.digest, layer.clone());
            examined.push(layer);
        }
        let found: Vec<_> = examined.iter().map(|layer| layer.diff_id).collect();
        if found != document.rootfs.diff_ids {
            let what = "its layers are not those that its configuration tells of";
            return Err(WorkError::Content(what.to_owned()));
        }
        Ok(Arrived {
            names,
            config: Some(config),
            layers: examined,
        })
    }
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Returns a member's path as a key: `.` left out, `..` resolved as far as possible.
fn normal(path: &str) -> String {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}

/// A file of the staging directory whose digest is taken as it is written.
struct Sink {
    file: File,
    hasher: crate::digest::Hasher,
    size: u64,
}

impl Sink {
    fn new(name: &str) -> Result<Self, WorkError> {
        let file = File::create_new(name).map_err(|source| WorkError::File {
            file: name.to_owned(),
            source,
        })?;
        let hasher = crate::digest::Hasher::default();
        Ok(Self {
            file,
            hasher,
            size: 0,
        })
    }

    fn finish(self, file: String) -> Piece {
        Piece {
            file,
            digest: self.hasher.finish(),
            size: self.size,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
