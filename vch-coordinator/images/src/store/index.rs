//! index.json and what it tells of.

use super::{Image, ImageError, failed};
use crate::config::Config;
use crate::digest::Digest;
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

pub(super) fn blobs(folder: &Path) -> PathBuf {
    folder.join("blobs/sha256")
}

pub(super) fn blob(folder: &Path, digest: &Digest) -> PathBuf {
    blobs(folder).join(digest.hex())
}

pub(super) fn rootfs(folder: &Path, image: &Digest) -> PathBuf {
    folder
        .join("rootfs")
        .join(format!("{}.squashfs", image.hex()))
}

pub(super) fn mode(path: &Path, mode: u32) -> Result<(), ImageError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("protect", path))
}

/// Makes the folders, reads the images, and removes what belongs to none.
pub(super) fn open(folder: &Path, limits: Limits) -> Result<Vec<Image>, ImageError> {
    let folders = [
        // Helpers pass through to their staging folders; root file systems are read by VMs' processes.
        (folder.to_owned(), 0o711),
        (folder.join("staging"), 0o711),
        (folder.join("rootfs"), 0o711),
        (folder.join("blobs"), 0o700),
        (blobs(folder), 0o700),
    ];
    for (path, bits) in &folders {
        fs::create_dir_all(path).map_err(failed("make", path))?;
        mode(path, *bits)?;
    }
    if !folder.join("oci-layout").exists() {
        replace(folder, "oci-layout", LAYOUT)?;
    }
    let images = read(folder, limits)?;
    let mut kept: BTreeSet<PathBuf> = images.iter().map(|one| rootfs(folder, &one.id)).collect();
    for image in &images {
        kept.extend(digests(image).map(|digest| blob(folder, &digest)));
    }
    for (path, _) in &folders[1..] {
        sweep(path, &kept)?;
    }
    Ok(images)
}

/// The blobs that an image is made of.
pub(super) fn digests(image: &Image) -> impl Iterator<Item = Digest> {
    let own = [image.id, image.manifest.digest].into_iter();
    own.chain(image.layers.iter().map(|layer| layer.digest))
}

fn sweep(folder: &Path, kept: &BTreeSet<PathBuf>) -> Result<(), ImageError> {
    let entries = fs::read_dir(folder).map_err(failed("list", folder))?;
    for entry in entries {
        let path = entry.map_err(failed("list", folder))?.path();
        if kept.contains(&path) || path.ends_with("blobs/sha256") {
            continue;
        }
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(failed("remove", &path))?;
    }
    Ok(())
}

fn read(folder: &Path, limits: Limits) -> Result<Vec<Image>, ImageError> {
    let path = folder.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let index: Index = serde_json::from_slice(&bytes).map_err(|error| ImageError::Index {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    let mut images: BTreeMap<Digest, Image> = BTreeMap::new();
    for descriptor in index.manifests {
        let name = descriptor.annotations.get(REF_NAME);
        let name = name.and_then(|name| name.parse::<Reference>().ok());
        let image = match images.get_mut(&descriptor.digest) {
            Some(image) => image,
            None => match image(folder, &descriptor, limits) {
                Ok(image) => images.entry(descriptor.digest).or_insert(image),
                Err(error) => {
                    let digest = descriptor.digest;
                    tracing::error!(%error, %digest, "an image is damaged and left out");
                    continue;
                }
            },
        };
        image.names.extend(name);
    }
    Ok(images.into_values().collect())
}

fn image(folder: &Path, descriptor: &Descriptor, limits: Limits) -> Result<Image, ImageError> {
    let manifest: Manifest = document(folder, &descriptor.digest, limits)?;
    let config: Config = document(folder, &manifest.config.digest, limits)?;
    for layer in &manifest.layers {
        let path = blob(folder, &layer.digest);
        let length = fs::metadata(&path).map_err(failed("read", &path))?.len();
        if length != layer.size {
            let what = format!("{} has {length} bytes, not {}", layer.digest, layer.size);
            return Err(ImageError::Untrue(what));
        }
    }
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

/// A document whose digest is checked.
fn document<T: for<'a> serde::Deserialize<'a>>(
    folder: &Path,
    digest: &Digest,
    limits: Limits,
) -> Result<T, ImageError> {
    let path = blob(folder, digest);
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(failed("read", &path))?;
    let mut bounded = file.take(limits.document_bytes);
    bounded
        .read_to_end(&mut bytes)
        .map_err(failed("read", &path))?;
    if Digest::of(&bytes) != *digest {
        return Err(ImageError::Untrue(format!("{digest} holds something else")));
    }
    let wrong = |error: serde_json::Error| ImageError::Untrue(format!("{digest}: {error}"));
    serde_json::from_slice(&bytes).map_err(wrong)
}

/// Replaces index.json: one descriptor for each name, and one for an image without.
pub(super) fn write<'a>(
    folder: &Path,
    images: impl Iterator<Item = &'a Arc<Image>>,
) -> Result<(), ImageError> {
    let mut manifests = Vec::new();
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
        path: folder.join(NAME),
        reason: error.to_string(),
    })?;
    replace(folder, NAME, &bytes)
}

/// Replaces a file as a whole; what was there is there until all of the new one is.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), ImageError> {
    let path = folder.join(name);
    // In a folder that is swept at the start.
    let partial = folder.join("staging").join(format!("{name}.partial"));
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(failed("write", &partial))?;
    fs::rename(&partial, &path).map_err(failed("replace", &path))?;
    sync(folder)
}

/// Names in a folder are on disk.
pub(super) fn sync(folder: &Path) -> Result<(), ImageError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed("write", folder))
}
