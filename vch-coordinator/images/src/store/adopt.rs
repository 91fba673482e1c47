//! From a staging folder into the store. Nothing that the helper says is believed: each file's digest is
//! taken again, once the helper is gone and the file is no longer its own.

use super::{Image, ImageError, Import, Inner, failed, index, rename};
use crate::config::{Config, History, RootFs, Run};
use crate::digest::{Digest, Hasher};
use crate::job::{Arrived, Piece};
use crate::oci::{CONFIG, Descriptor, MANIFEST, Manifest};
use nix::fcntl::OFlag;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// The configuration of an imported image, as dockerd makes it.
pub(super) fn imported(wish: &Import, run: Run, arrived: &Arrived) -> Config {
    let message = if wish.message.is_empty() {
        "Imported from -".to_owned()
    } else {
        wish.message.clone()
    };
    let created = Some(wish.created.clone());
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

/// `made` is the configuration of an image that came without one.
pub(super) fn adopt(
    inner: &Inner,
    staging: &Path,
    arrived: &Arrived,
    made: Option<Config>,
) -> Result<Arc<Image>, ImageError> {
    let folder = &inner.settings.folder;
    let limits = inner.settings.limits;
    // Held while blobs are put in, so that nobody removes them before the index names them.
    let mut images = inner.images();
    let known = arrived.config.as_ref().map(|config| config.digest);
    if let Some(id) = known.filter(|id| images.contains_key(id)) {
        let mut changed = images.clone();
        rename(&mut changed, id, arrived.names.iter().cloned());
        inner.commit(&mut images, changed)?;
        return images.get(&id).cloned().ok_or(ImageError::Ending);
    }
    let mut layers = Vec::new();
    for layer in &arrived.layers {
        take(folder, staging, &layer.piece)?;
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
            take(folder, staging, piece)?;
            let path = index::blob(folder, &piece.digest);
            fs::read(&path).map_err(failed("read", &path))?
        }
        (None, _) => return Err(ImageError::Untrue("it has no configuration".to_owned())),
    };
    let config: Config = serde_json::from_slice(&bytes)
        .map_err(|error| ImageError::Untrue(format!("its configuration: {error}")))?;
    if config.rootfs.diff_ids.len() != layers.len() || layers.len() > limits.layers {
        let what = "its layers are not those of its configuration, or too many";
        return Err(ImageError::Untrue(what.to_owned()));
    }
    if config.os != "linux" || config.architecture != "amd64" {
        let what = format!(
            "it is for {}/{}, not for linux/amd64",
            config.os, config.architecture
        );
        return Err(ImageError::Untrue(what));
    }
    let id = put(folder, &bytes)?;
    let manifest = json(&Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        config: Descriptor::new(CONFIG, id, bytes.len() as u64),
        layers: layers.clone(),
    })?;
    let digest = put(folder, &manifest)?;
    index::sync(&index::blobs(folder))?;
    let mut changed = images.clone();
    changed.entry(id).or_insert_with(|| {
        Arc::new(Image {
            id,
            config,
            manifest: Descriptor::new(MANIFEST, digest, manifest.len() as u64),
            layers,
            bytes: arrived.layers.iter().map(|layer| layer.bytes).sum(),
            names: BTreeSet::new(),
        })
    });
    rename(&mut changed, id, arrived.names.iter().cloned());
    inner.commit(&mut images, changed)?;
    images.get(&id).cloned().ok_or(ImageError::Ending)
}

fn json(document: &impl serde::Serialize) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec(document).map_err(|error| ImageError::Untrue(error.to_string()))
}

/// Bytes of the store's own become a blob.
fn put(folder: &Path, bytes: &[u8]) -> Result<Digest, ImageError> {
    let digest = Digest::of(bytes);
    let path = index::blob(folder, &digest);
    if path.exists() {
        return Ok(digest);
    }
    let partial = folder
        .join("staging")
        .join(format!("{}.partial", digest.hex()));
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(0o444))?;
        file.sync_all()
    });
    written.map_err(failed("write", &partial))?;
    fs::rename(&partial, &path).map_err(failed("make", &path))?;
    Ok(digest)
}

/// A file of a helper that has ended becomes a blob.
fn take(folder: &Path, staging: &Path, piece: &Piece) -> Result<(), ImageError> {
    let target = index::blob(folder, &piece.digest);
    if target.exists() {
        return Ok(());
    }
    let source = own(staging, &piece.file)?;
    let mut file = File::open(&source).map_err(failed("read", &source))?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer).map_err(failed("read", &source))?;
        if count == 0 {
            break;
        }
        size += count as u64;
        hasher.update(&buffer[..count]);
    }
    if hasher.finish() != piece.digest || size != piece.size {
        return Err(ImageError::Untrue(format!(
            "{} holds something else",
            piece.file
        )));
    }
    file.sync_all().map_err(failed("write", &source))?;
    fs::rename(&source, &target).map_err(failed("make", &target))
}

/// Takes a helper's file from it: a regular file of one name, from now on the store's own and read-only.
pub(super) fn own(staging: &Path, name: &str) -> Result<std::path::PathBuf, ImageError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    if name.starts_with('.') || !name.bytes().all(plain) {
        return Err(ImageError::Untrue(format!("`{name}` is no name of a file")));
    }
    let path = staging.join(name);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(&path)
        .map_err(failed("read", &path))?;
    let about = file.metadata().map_err(failed("read", &path))?;
    if !about.is_file() || about.nlink() != 1 {
        return Err(ImageError::Untrue(format!(
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
