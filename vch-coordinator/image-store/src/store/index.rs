//! Reads and writes index.json, and the images that it names.

use super::contents::StoreState;
use super::{Image, ImageError, Settings, failed, rename};
use crate::config::Config;
use crate::digest::{Digest, Hasher};
use crate::limits::Limits;
use crate::oci::{Descriptor, INDEX, Index, Manifest, REF_NAME, UNPACKED};
use crate::reference::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const NAME: &str = "index.json";
const EMPTY: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
/// Holds what is damaged; only the VCH's administrator removes anything of it.
const LOST: &str = "lost";

pub(super) fn blobs(dir: &Path) -> PathBuf {
    dir.join("blobs/sha256")
}

pub(super) fn blob(dir: &Path, digest: &Digest) -> PathBuf {
    blobs(dir).join(digest.hex())
}

pub(super) fn rootfs(dir: &Path, image: &Digest) -> PathBuf {
    dir.join("rootfs").join(format!("{}.squashfs", image.hex()))
}

/// Sets the permissions of a file.
///
/// # Errors
/// Returns [`ImageError::File`] if they can't be set.
pub(super) fn mode(path: &Path, mode: u32) -> Result<(), ImageError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("protect", path))
}

/// Makes the directories, reads the images, and removes files that belong to no image. If something is damaged, such
/// files are moved into `lost/` instead; if something can't be read, they stay.
///
/// # Errors
/// Returns [`ImageError`] if a directory can't be made or index.json can't be read.
pub(super) fn open(settings: &Settings) -> Result<StoreState, ImageError> {
    let dir = settings.dir.as_path();
    let dirs = [
        // Helpers pass through to their staging directories; root file systems are read by VMs' processes.
        (dir.to_owned(), 0o711),
        (dir.join("staging"), 0o711),
        (dir.join("rootfs"), 0o711),
        (dir.join("blobs"), 0o700),
        (blobs(dir), 0o700),
    ];
    for (path, bits) in &dirs {
        fs::create_dir_all(path).map_err(failed("make", path))?;
        mode(path, *bits)?;
    }
    let layout = dir.join("oci-layout");
    if !layout.try_exists().map_err(failed("read", &layout))? {
        replace(dir, "oci-layout", LAYOUT)?;
    }
    let (state, damaged) = read(settings)?;
    let images = state.images.values();
    let mut kept: BTreeSet<PathBuf> = images.map(|one| rootfs(dir, &one.id)).collect();
    for image in state.images.values() {
        kept.extend(digests(image).map(|digest| blob(dir, &digest)));
    }
    sweep(&dirs[1].0, remove)?;
    if !state.unreadable.is_empty() {
        tracing::error!(
            count = state.unreadable.len(),
            "images of which something can't be read are kept, and looked for again; until then nothing is removed"
        );
        return Ok(state);
    }
    for (path, _) in &dirs[2..] {
        sweep(path, |path| match path {
            path if kept.contains(path) || path.ends_with("blobs/sha256") => Ok(()),
            path if damaged => lose(dir, path),
            path => remove(path),
        })?;
    }
    Ok(state)
}

/// Returns the digests of the blobs that an image is made of.
pub(super) fn digests(image: &Image) -> impl Iterator<Item = Digest> {
    let own = [image.id, image.manifest.digest].into_iter();
    own.chain(image.layers.iter().map(|layer| layer.digest))
}

fn sweep(
    dir: &Path,
    mut operation: impl FnMut(&Path) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let entries = fs::read_dir(dir).map_err(failed("list", dir))?;
    for entry in entries {
        operation(&entry.map_err(failed("list", dir))?.path())?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), ImageError> {
    let about = fs::symlink_metadata(path).map_err(failed("read", path))?;
    let removed = if about.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(failed("remove", path))
}

/// Moves a damaged file, or one that belonged to something damaged, into `lost/`, where the store neither uses nor
/// removes it.
///
/// # Errors
/// Returns [`ImageError::File`] if the file can't be moved.
pub(super) fn lose(dir: &Path, path: &Path) -> Result<(), ImageError> {
    let lost = dir.join(LOST);
    fs::create_dir_all(&lost).map_err(failed("make", &lost))?;
    mode(&lost, 0o700)?;
    let name = path.file_name().unwrap_or_default();
    let mut target = lost.join(name);
    let mut number = 0_u32;
    while target.try_exists().map_err(failed("read", &target))? {
        number += 1;
        let mut name = name.to_owned();
        name.push(format!(".{number}"));
        target = lost.join(name);
    }
    fs::rename(path, &target).map_err(failed("move", path))?;
    let (path, target) = (path.display(), target.display());
    tracing::error!(%path, %target, "a file of the image store is moved aside: look at it, then remove it");
    Ok(())
}

/// Reads the images that index.json names; the flag says whether something of it is damaged.
fn read(settings: &Settings) -> Result<(StoreState, bool), ImageError> {
    let path = settings.dir.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Written when the store is made: without it, whatever is there has lost its names.
            replace(&settings.dir, NAME, EMPTY)?;
            return Ok((StoreState::default(), true));
        }
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let index: Index = serde_json::from_slice(&bytes).map_err(|error| ImageError::Index {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    let mut state = StoreState {
        unreadable: index.manifests,
        ..StoreState::default()
    };
    let damaged = read_again(settings, &mut state);
    Ok((state, damaged))
}

/// Reads the images that could not be read before. Leaves damaged ones out and moves their documents aside; returns
/// whether there were any.
pub(super) fn read_again(settings: &Settings, state: &mut StoreState) -> bool {
    let mut damaged = BTreeSet::new();
    let mut known: BTreeMap<Digest, Result<Digest, ()>> = BTreeMap::new();
    for descriptor in std::mem::take(&mut state.unreadable) {
        let digest = descriptor.digest;
        let found = *known.entry(digest).or_insert_with(|| {
            match image(&settings.dir, &descriptor, settings.limits) {
                Ok(image) => {
                    let id = image.id;
                    state.images.entry(id).or_insert_with(|| Arc::new(image));
                    Ok(id)
                }
                Err(ReadError::Damaged(error)) => {
                    tracing::error!(%error, %digest, "an image is damaged and left out");
                    damaged.insert(digest);
                    Err(())
                }
                Err(ReadError::Unreadable(error)) => {
                    let error = error.to_string();
                    tracing::error!(%error, %digest, "an image can't be read, and is kept");
                    Err(())
                }
            }
        });
        let name = descriptor.annotations.get(REF_NAME);
        let name = name.and_then(|name| name.parse::<Reference>().ok());
        match (found, name) {
            (Ok(id), Some(name)) => rename(&mut state.images, id, [name]),
            (Ok(_), None) => {}
            (Err(()), _) if damaged.contains(&digest) => {}
            (Err(()), _) => state.unreadable.push(descriptor),
        }
    }
    !damaged.is_empty()
}

enum ReadError {
    /// Its bytes are there, and others than they were.
    Damaged(ImageError),
    /// It is not known what they are.
    Unreadable(ImageError),
}

fn image(dir: &Path, descriptor: &Descriptor, limits: Limits) -> Result<Image, ReadError> {
    let manifest: Manifest = document(dir, &descriptor.digest, limits)?;
    let config: Config = document(dir, &manifest.config.digest, limits)?;
    let bytes = descriptor.annotations.get(UNPACKED);
    let mut plain = descriptor.clone();
    plain.annotations.clear();
    Ok(Image {
        id: manifest.config.digest,
        config,
        manifest: plain,
        layers: manifest.layers,
        bytes: bytes.and_then(|text| text.parse().ok()).unwrap_or(0),
        names: BTreeSet::new(),
    })
}

/// Returns whether all layers exist with their length. A layer that has another length and another digest is moved
/// aside: the image stays, and a pull or load of it brings the layer back.
///
/// # Errors
/// Returns [`ImageError::File`] if a layer can't be read or moved. A layer that does not exist is
/// no error.
pub(super) fn is_whole(dir: &Path, image: &Image) -> Result<bool, ImageError> {
    let mut whole = true;
    for layer in &image.layers {
        let path = blob(dir, &layer.digest);
        match fs::metadata(&path) {
            Ok(about) if about.len() == layer.size => {}
            Ok(_) => {
                if digest_of(&path)? != layer.digest {
                    lose(dir, &path)?;
                    whole = false;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => whole = false,
            Err(error) => return Err(failed("read", &path)(error)),
        }
    }
    Ok(whole)
}

/// Returns the digest of a file's content.
///
/// # Errors
/// Returns [`ImageError::File`] if the file can't be read.
pub(super) fn digest_of(path: &Path) -> Result<Digest, ImageError> {
    let mut file = File::open(path).map_err(failed("read", path))?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer).map_err(failed("read", path))? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Reads a document and checks its digest. A file with another content is moved aside.
fn document<T: for<'a> serde::Deserialize<'a>>(
    dir: &Path,
    digest: &Digest,
    limits: Limits,
) -> Result<T, ReadError> {
    let path = blob(dir, digest);
    let unreadable = |error| ReadError::Unreadable(failed("read", &path)(error));
    let file = File::open(&path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(limits.document_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if Digest::of(&bytes) != *digest {
        let whole = digest_of(&path).map_err(ReadError::Unreadable)?;
        if whole == *digest {
            let what = format!("{digest} is longer than a document may be");
            return Err(ReadError::Unreadable(ImageError::DigestMismatch(what)));
        }
        lose(dir, &path).map_err(ReadError::Unreadable)?;
        let what = format!("{digest} holds something else");
        return Err(ReadError::Damaged(ImageError::DigestMismatch(what)));
    }
    // The bytes are what they were: a later release, or an earlier one, may know how to read them.
    let wrong = |error: serde_json::Error| {
        ReadError::Unreadable(ImageError::DigestMismatch(format!("{digest}: {error}")))
    };
    serde_json::from_slice(&bytes).map_err(wrong)
}

/// Replaces index.json: one descriptor for each name, and one for each image without a name.
///
/// # Errors
/// Returns [`ImageError`] if the file can't be written.
pub(super) fn write<'a>(
    dir: &Path,
    images: impl Iterator<Item = &'a Arc<Image>>,
    unreadable: &[Descriptor],
) -> Result<(), ImageError> {
    let mut manifests = unreadable.to_vec();
    for image in images {
        let mut descriptor = image.manifest.clone();
        let unpacked = image.bytes.to_string();
        descriptor.annotations.insert(UNPACKED.to_owned(), unpacked);
        if image.names.is_empty() {
            manifests.push(descriptor.clone());
        }
        for name in &image.names {
            let mut named = descriptor.clone();
            named
                .annotations
                .insert(REF_NAME.to_owned(), name.to_string());
            manifests.push(named);
        }
    }
    let index = Index {
        schema_version: 2,
        media_type: INDEX.to_owned(),
        manifests,
    };
    let bytes = serde_json::to_vec_pretty(&index).map_err(|error| ImageError::Index {
        path: dir.join(NAME),
        reason: error.to_string(),
    })?;
    replace(dir, NAME, &bytes)
}

/// Replaces a file as a whole: the old one stays until the new one is complete.
///
/// # Errors
/// Returns [`ImageError::File`] if the file can't be written, synced or renamed.
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), ImageError> {
    let path = dir.join(name);
    // In a directory that is swept at the start.
    let partial = dir.join("staging").join(format!("{name}.partial"));
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(failed("write", &partial))?;
    fs::rename(&partial, &path).map_err(failed("replace", &path))?;
    sync(dir)
}

/// Waits until the names in a directory are on disk.
///
/// # Errors
/// Returns [`ImageError::File`] if the directory can't be synced.
pub(super) fn sync(dir: &Path) -> Result<(), ImageError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(failed("write", dir))
}
