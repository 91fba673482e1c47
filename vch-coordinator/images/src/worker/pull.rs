//! Images from a registry (OCI distribution-spec 1.1, and the token protocol of its Docker ancestor).

mod client;

use super::{WorkError, examine, say};
use crate::config::Config;
use crate::digest::{Digest, Hasher};
use crate::job::{Arrived, ArrivedLayer, Detail, Piece, Progress, Pull, Word};
use crate::limits::Limits;
use crate::oci::{self, Descriptor, Index, Manifest};
use crate::reference::Which;
use client::Client;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};

/// How often a blob's transfer is taken up again where it broke off.
const TRIES: usize = 5;
const STEP_BYTES: u64 = 1 << 20;

pub(super) fn pull(
    wish: &Pull,
    limits: Limits,
    output: &mut impl Write,
) -> Result<Vec<Arrived>, WorkError> {
    let mut client = Client::new(wish);
    let tag = match wish.name.which() {
        Which::Tag(tag) => tag.clone(),
        Which::Digest(digest) => digest.to_string(),
    };
    status(
        output,
        Some(&tag),
        format!("Pulling from {}", wish.name.path()),
    )?;
    let (top, bytes) = client.manifest(&tag, limits)?;
    if let Which::Digest(said) = wish.name.which() {
        expect(*said, top)?;
    }
    let manifest = for_us(&mut client, &bytes, limits)?;
    if manifest.layers.len() > limits.layers {
        let most = limits.layers;
        return Err(WorkError::Content(format!(
            "the image has more than {most} layers"
        )));
    }
    let id = manifest.config.digest;
    let known = wish.images.contains(&id);
    let mut layers = Vec::new();
    if !known {
        if manifest.config.size > limits.document_bytes {
            return Err(WorkError::Long(limits.document_bytes));
        }
        blob(&mut client, &manifest.config, "config", None, output)?;
        layers = fetch(&mut client, &manifest.layers, limits, output)?;
        let config = fs::read("config").map_err(|source| WorkError::File {
            file: "config".to_owned(),
            source,
        })?;
        let config: Config = serde_json::from_slice(&config)
            .map_err(|error| WorkError::Content(format!("its configuration: {error}")))?;
        let found: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
        if found != config.rootfs.diff_ids {
            let what = "its layers are not those that its configuration tells of";
            return Err(WorkError::Content(what.to_owned()));
        }
    }
    status(output, None, format!("Digest: {top}"))?;
    let what = if known {
        "Image is up to date"
    } else {
        "Downloaded newer image"
    };
    status(
        output,
        None,
        format!("Status: {what} for {}", wish.name.familiar()),
    )?;
    let mut names = vec![wish.name.clone(), wish.name.with(Which::Digest(top))];
    names.dedup();
    let config = Some(Piece {
        file: "config".to_owned(),
        digest: id,
        size: manifest.config.size,
    });
    Ok(vec![Arrived {
        names,
        config,
        layers,
    }])
}

/// The layers, each once, the lowest first.
fn fetch(
    client: &mut Client,
    wanted: &[Descriptor],
    limits: Limits,
    output: &mut impl Write,
) -> Result<Vec<ArrivedLayer>, WorkError> {
    let mut layers: Vec<ArrivedLayer> = Vec::new();
    for (n, layer) in wanted.iter().enumerate() {
        status(
            output,
            Some(&layer.digest.short()),
            "Pulling fs layer".to_owned(),
        )?;
        if layer.size > limits.packed_bytes {
            return Err(WorkError::Long(limits.packed_bytes));
        }
        let earlier = wanted.iter().position(|one| one.digest == layer.digest);
        if let Some(done) = earlier.and_then(|earlier| layers.get(earlier)).cloned() {
            layers.push(done);
            continue;
        }
        let file = format!("blob{n}");
        let short = layer.digest.short();
        blob(client, layer, &file, Some(&short), output)?;
        status(output, Some(&short), "Download complete".to_owned())?;
        let (digest, size) = (layer.digest, layer.size);
        layers.push(examine(Piece { file, digest, size }, limits)?);
        status(output, Some(&short), "Pull complete".to_owned())?;
    }
    Ok(layers)
}

/// The manifest for this machine; of several, the first.
fn for_us(client: &mut Client, bytes: &[u8], limits: Limits) -> Result<Manifest, WorkError> {
    let wrong = |error| WorkError::Content(format!("its manifest: {error}"));
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(wrong)?;
    if value.get("manifests").is_none() {
        return serde_json::from_value(value).map_err(wrong);
    }
    let index: Index = serde_json::from_value(value).map_err(wrong)?;
    let ours = |one: &&Descriptor| one.is_for_us() && !oci::is_index(&one.media_type);
    let ours = index.manifests.iter().find(ours).ok_or_else(|| {
        let what = "no matching manifest for linux/amd64 in the manifest list entries";
        WorkError::Registry(what.to_owned())
    })?;
    let (found, bytes) = client.manifest(&ours.digest.to_string(), limits)?;
    expect(ours.digest, found)?;
    serde_json::from_slice(&bytes).map_err(wrong)
}

fn expect(said: Digest, found: Digest) -> Result<(), WorkError> {
    if said == found {
        return Ok(());
    }
    let what = format!("it sends {found} where {said} was asked for");
    Err(WorkError::Registry(what))
}

/// A blob becomes a file of the staging folder. A transfer that breaks off is taken up where it was.
fn blob(
    client: &mut Client,
    descriptor: &Descriptor,
    file: &str,
    shown: Option<&str>,
    output: &mut impl Write,
) -> Result<(), WorkError> {
    let failed = |source| WorkError::File {
        file: file.to_owned(),
        source,
    };
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let mut sink = opened.map_err(failed)?;
    let mut hasher = Hasher::default();
    let (mut size, mut told, mut tries) = (0, 0, 0);
    let mut buffer = vec![0; 64 << 10];
    while size < descriptor.size {
        tries += 1;
        let (mut body, from_start) = client.blob(&descriptor.digest, size)?;
        if from_start && size > 0 {
            sink = OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(file)
                .map_err(failed)?;
            (size, told, hasher) = (0, 0, Hasher::default());
        }
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) if size < descriptor.size && tries < TRIES => break,
                Err(_) if tries < TRIES => break,
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(WorkError::Registry(error.to_string())),
            };
            size += count as u64;
            if size > descriptor.size {
                let what = format!("{} is longer than it says", descriptor.digest);
                return Err(WorkError::Registry(what));
            }
            hasher.update(&buffer[..count]);
            sink.write_all(&buffer[..count]).map_err(failed)?;
            if let Some(id) = shown
                && size - told >= STEP_BYTES
            {
                told = size;
                let (current, total) = (Some(size), Some(descriptor.size));
                super::tell(output, "Downloading", id, Detail { current, total })?;
            }
        }
        if size < descriptor.size && tries >= TRIES {
            let what = format!("{} breaks off again and again", descriptor.digest);
            return Err(WorkError::Registry(what));
        }
    }
    expect(descriptor.digest, hasher.finish())
}

fn status(output: &mut impl Write, id: Option<&str>, status: String) -> Result<(), WorkError> {
    let progress = Progress {
        status: Some(status),
        id: id.map(str::to_owned),
        ..Progress::default()
    };
    say(output, &Word::Progress(progress)).map_err(WorkError::Answer)
}
