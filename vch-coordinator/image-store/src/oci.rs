//! Documents of the OCI image-spec 1.1, and those of Docker that preceded them.

use crate::digest::Digest;
use crate::reference::{Reference, Which};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The annotation with an image's name within a layout (annotations.md); the whole name, as
/// containerd writes it.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The annotation with the bytes of an image's files, unpacked, counted when the image arrived.
pub(crate) const UNPACKED: &str = "vch.unpacked-bytes";

/// A reference to a blob (descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the blob.
    #[serde(default)]
    pub media_type: String,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// The platform that the blob is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A platform, in Go's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The processor architecture: `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// The operating system: `linux`.
    #[serde(default)]
    pub os: String,
    /// The version of the operating system, which images for Windows have.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// Features that the operating system must have.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// The variant of the architecture: `v8`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// A registry's manifest or index under a name, with its platforms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// The descriptor of the manifest or index that the registry has under the name.
    pub descriptor: Descriptor,
    /// The platforms of its images.
    pub platforms: Vec<Platform>,
}

/// The manifest of an image (manifest.md).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// An index of several images (image-index.md).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    pub manifests: Vec<Descriptor>,
}

pub(crate) fn is_index(media_type: &str) -> bool {
    matches!(media_type, INDEX | DOCKER_LIST)
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Returns whether the platform can run here; a platform that names none counts as one that
    /// can.
    pub(crate) fn is_for_us(&self) -> bool {
        let ours = |one: &Platform| one.os == "linux" && one.architecture == "amd64";
        self.platform.as_ref().is_none_or(ours)
    }

    /// Returns the names that an archive gives an image. A tag without a repository gives none.
    pub(crate) fn names(&self) -> Vec<Reference> {
        let whole = |key: &str| self.annotations.get(key)?.parse::<Reference>().ok();
        let tag = |name: &Reference| matches!(name.which(), Which::Tag(_));
        let said = |key: &str| {
            self.annotations
                .get(key)
                .is_some_and(|name| name.contains([':', '/']))
        };
        let named = whole(CONTAINERD_NAME).or_else(|| whole(REF_NAME).filter(|_| said(REF_NAME)));
        named.filter(tag).into_iter().collect()
    }
}
