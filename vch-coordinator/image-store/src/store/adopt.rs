//! Moves an image from a staging directory into the store. The helper's statements are not trusted: each file's
//! digest is computed again, once the helper is gone and the file is no longer its own.

use super::state::{Inner, Lease};
use super::{Image, ImageError, Import, failed, index, rename};
use crate::config::{Config, History, RootFs, Run};
use crate::digest::Digest;
use crate::job::{Arrived, Piece};
use crate::limits::Limits;
use crate::oci::{CONFIG, Descriptor, MANIFEST, Manifest};
use nix::fcntl::OFlag;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// Returns the configuration of an imported image, as dockerd makes it.
pub(super) fn imported(request: &Import, run: Run, arrived: &Arrived) -> Config {
    let message = if request.message.is_empty() {
        "Imported from -".to_owned()
    } else {
        request.message.clone()
    };
    let created = Some(request.created.clone());
    Config {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        created: created.clone(),
        config: Some(run),
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids: arrived.layers.iter().map(|layer| layer.diff_id).collect(),
        },
        history: Some(vec![History {
            created,
            comment: Some(message),
            ..History::default()
        }]),
        ..Config::default()
    }
}

/// Moves an image into the store. `made` is the configuration of an image that came without one. Blocks while its
/// files are read and synced; no lock is held meanwhile.
///
/// # Errors
/// - [`ImageError::DigestMismatch`] if a file is not what the helper said of it.
/// - [`ImageError::File`] if a file can't be read, synced or moved.
pub(super) fn adopt(
    inner: &Arc<Inner>,
    staging: &Path,
    arrived: &Arrived,
    made: Option<Config>,
) -> Result<Arc<Image>, ImageError> {
    let mut lease = Lease::new(inner, arrived.layers.iter().map(|one| one.piece.digest));
    lease.add(arrived.config.as_ref().map(|config| config.digest));
    let adopted = adopt_under(&mut lease, inner, staging, arrived, made);
    lease.release();
    adopted
}

fn adopt_under(
    lease: &mut Lease,
    inner: &Inner,
    staging: &Path,
    arrived: &Arrived,
    made: Option<Config>,
) -> Result<Arc<Image>, ImageError> {
    let dir = &inner.settings.dir;
    let known = arrived.config.as_ref().map(|config| config.digest);
    // It may have been known to the helper, which then has brought nothing.
    if let Some(id) = known
        && let Some(image) = inner.state().images.get(&id)
        && (arrived.layers.is_empty() || index::is_whole(dir, image)?)
    {
        return name(inner, arrived, image);
    }
    let image = blobs(lease, inner, staging, arrived, made)?;
    name(inner, arrived, &Arc::new(image))
}

/// Names an image in index.json. An image that exists already keeps its layers, unless one is missing.
fn name(inner: &Inner, arrived: &Arrived, image: &Arc<Image>) -> Result<Arc<Image>, ImageError> {
    let dir = &inner.settings.dir;
    let id = image.id;
    inner.change(|images| {
        match images.get_mut(&id) {
            Some(there) if index::is_whole(dir, there)? => {}
            Some(there) => {
                let names = there.names.clone();
                let mended = Image {
                    names,
                    ..Image::clone(image)
                };
                *there = Arc::new(mended);
            }
            // Named for as long as the index said so: one that is removed meanwhile is brought again.
            None if arrived.layers.is_empty() && !image.layers.is_empty() => {
                return Err(ImageError::Unknown(id.to_string()));
            }
            None => {
                let mut new = Image::clone(image);
                new.names.clear();
                images.insert(id, Arc::new(new));
            }
        }
        rename(images, id, arrived.names.iter().cloned());
        images.get(&id).cloned().ok_or(ImageError::Ending)
    })
}

/// Moves the files of an image to the store's blobs.
fn blobs(
    lease: &mut Lease,
    inner: &Inner,
    staging: &Path,
    arrived: &Arrived,
    made: Option<Config>,
) -> Result<Image, ImageError> {
    let dir = &inner.settings.dir;
    let limits = inner.settings.limits;
    let mut layers = Vec::new();
    for layer in &arrived.layers {
        take(dir, staging, &layer.piece)?;
        let media_type = layer.packing.media_type();
        layers.push(Descriptor::new(
            media_type,
            layer.piece.digest,
            layer.piece.size,
        ));
    }
    let bytes = match (made, &arrived.config) {
        (Some(config), _) => json(&config)?,
        (None, Some(piece)) if piece.size <= limits.document_bytes => {
            take(dir, staging, piece)?;
            let path = index::blob(dir, &piece.digest);
            fs::read(&path).map_err(failed("read", &path))?
        }
        (None, _) => {
            return Err(ImageError::DigestMismatch(
                "it has no configuration".to_owned(),
            ));
        }
    };
    let config = config(&bytes, &layers, limits)?;
    let id = Digest::of(&bytes);
    let manifest = json(&Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        config: Descriptor::new(CONFIG, id, bytes.len() as u64),
        layers: layers.clone(),
    })?;
    let digest = Digest::of(&manifest);
    lease.add([id, digest]);
    put(dir, staging, id, &bytes)?;
    put(dir, staging, digest, &manifest)?;
    index::sync(&index::blobs(dir))?;
    Ok(Image {
        id,
        config,
        manifest: Descriptor::new(MANIFEST, digest, manifest.len() as u64),
        layers,
        bytes: arrived.layers.iter().map(|layer| layer.bytes).sum(),
        names: BTreeSet::new(),
    })
}

/// Parses an image's configuration, and checks that it has these layers and is for this machine.
fn config(bytes: &[u8], layers: &[Descriptor], limits: Limits) -> Result<Config, ImageError> {
    let config: Config = serde_json::from_slice(bytes)
        .map_err(|error| ImageError::DigestMismatch(format!("its configuration: {error}")))?;
    if config.rootfs.diff_ids.len() != layers.len() || layers.len() > limits.layers {
        let what = "its layers are not those of its configuration, or too many";
        return Err(ImageError::DigestMismatch(what.to_owned()));
    }
    if config.os != "linux" || config.architecture != "amd64" {
        let what = format!(
            "it is for {}/{}, not for linux/amd64",
            config.os, config.architecture
        );
        return Err(ImageError::DigestMismatch(what));
    }
    Ok(config)
}

fn json(document: &impl serde::Serialize) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec(document).map_err(|error| ImageError::DigestMismatch(error.to_string()))
}

/// Writes bytes of the store's own as a blob.
fn put(dir: &Path, staging: &Path, digest: Digest, bytes: &[u8]) -> Result<(), ImageError> {
    let path = index::blob(dir, &digest);
    if is_there(&path, bytes.len() as u64)? {
        return Ok(());
    }
    let partial = staging.join(format!("{}.partial", digest.hex()));
    // The directory was a helper's: what it may have left by this name is not followed.
    let written = File::create_new(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(0o444))?;
        file.sync_all()
    });
    written.map_err(failed("write", &partial))?;
    fs::rename(&partial, &path).map_err(failed("make", &path))
}

/// Returns whether a blob of this length exists. A blob that is too short is written again.
fn is_there(path: &Path, length: u64) -> Result<bool, ImageError> {
    match fs::metadata(path) {
        Ok(about) => Ok(about.is_file() && about.len() == length),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Moves a file of a helper that has ended to the store's blobs.
fn take(dir: &Path, staging: &Path, piece: &Piece) -> Result<(), ImageError> {
    let target = index::blob(dir, &piece.digest);
    if is_there(&target, piece.size)? {
        return Ok(());
    }
    let source = own(staging, &piece.file)?;
    let about = fs::metadata(&source).map_err(failed("read", &source))?;
    if about.len() != piece.size || index::digest_of(&source)? != piece.digest {
        return Err(ImageError::DigestMismatch(format!(
            "{} holds something else",
            piece.file
        )));
    }
    let synced = File::open(&source).and_then(|file| file.sync_all());
    synced.map_err(failed("write", &source))?;
    fs::rename(&source, &target).map_err(failed("make", &target))
}

/// Takes over a helper's file: a regular file with one link becomes the store's own, read-only.
///
/// # Errors
/// - [`ImageError::DigestMismatch`] if the name is not plain, or the file is not a regular file
///   with one link.
/// - [`ImageError::File`] if the file can't be opened or changed.
pub(super) fn own(staging: &Path, name: &str) -> Result<std::path::PathBuf, ImageError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    if name.starts_with('.') || !name.bytes().all(plain) {
        return Err(ImageError::DigestMismatch(format!(
            "`{name}` is no name of a file"
        )));
    }
    let path = staging.join(name);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(&path)
        .map_err(failed("read", &path))?;
    let about = file.metadata().map_err(failed("read", &path))?;
    if !about.is_file() || about.nlink() != 1 {
        return Err(ImageError::DigestMismatch(format!(
            "`{name}` is no file of its own"
        )));
    }
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::fchown(&file, Some(0), Some(0)).map_err(failed("own", &path))?;
    }
    file.set_permissions(Permissions::from_mode(0o444))
        .map_err(failed("protect", &path))?;
    Ok(path)
}
