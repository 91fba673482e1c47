//! Asks a registry for a name's manifest or index with its platforms, and for a repository's tags.

use super::registry::Registry;
use super::{WorkError, pull};
use crate::digest::Digest;
use crate::job::Remote;
use crate::limits::Limits;
use crate::oci::{self, Descriptor, Distribution, Index, Manifest, Platform};
use crate::reference::Which;
use serde_json::Value;

/// Returns the tags of the repository, in the registry's order.
///
/// # Errors
/// Returns [`WorkError`] if the registry can't be used, denies access or does not have the
/// repository.
pub(super) fn tags(request: &Remote, limits: Limits) -> Result<Vec<String>, WorkError> {
    let name = &request.name;
    let credentials = request.credentials.as_ref();
    let mut registry = Registry::new(name.registry(), request.plain, credentials, limits);
    let found = registry.tags(name.path(), limits);
    found
        .map_err(|error| pull::not_shown(error, name))?
        .ok_or_else(|| {
            WorkError::Missing(format!(
                "repository {} not found: name unknown: repository name not known to registry",
                name.familiar_repository()
            ))
        })
}

/// Returns the manifest or index; for a manifest also reads its image's configuration. Fetches no
/// layer.
///
/// # Errors
/// Returns [`WorkError`] if the registry can't be used, denies access or does not have the image,
/// or a document is not valid.
pub(super) fn inspect(request: &Remote, limits: Limits) -> Result<Distribution, WorkError> {
    let credentials = request.credentials.as_ref();
    let mut registry = Registry::new(request.name.registry(), request.plain, credentials, limits);
    let (path, which) = (request.name.path(), request.name.which());
    let found = registry.manifest(path, &which.reference(), limits)?;
    let unknown = || WorkError::Missing("manifest unknown: manifest unknown".to_owned());
    let (digest, bytes) = found.ok_or_else(unknown)?;
    if let Which::Digest(said) = which {
        pull::expect(*said, digest)?;
    }
    let wrong = |error| WorkError::Content(format!("its manifest: {error}"));
    let value: Value = serde_json::from_slice(&bytes).map_err(wrong)?;
    let (media_type, platforms) = if value.get("manifests").is_some() {
        let index: Index = serde_json::from_value(value).map_err(wrong)?;
        let platforms = index.manifests.into_iter();
        let platforms = platforms.map(|one| one.platform.unwrap_or_default());
        (named(index.media_type, oci::INDEX), platforms.collect())
    } else {
        let manifest: Manifest = serde_json::from_value(value).map_err(wrong)?;
        let stated = manifest.config.digest;
        let config = registry.document(path, &stated, limits)?;
        pull::expect(stated, Digest::of(&config))?;
        (named(manifest.media_type, oci::MANIFEST), of(&config))
    };
    Ok(Distribution {
        descriptor: Descriptor::new(&media_type, digest, bytes.len() as u64),
        platforms,
    })
}

/// Returns the media type that the document states; that of the answer if it states none, which OCI
/// allows.
fn named(stated: String, otherwise: &str) -> String {
    match stated.is_empty() {
        true => otherwise.to_owned(),
        false => stated,
    }
}

/// Returns the platform that a configuration states; none for that of another kind of artifact.
fn of(config: &[u8]) -> Vec<Platform> {
    let stated = serde_json::from_slice::<Platform>(config).ok();
    let stated = stated.filter(|one| !one.os.is_empty() || !one.architecture.is_empty());
    stated.into_iter().collect()
}
