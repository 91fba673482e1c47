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

/// A reference to a blob (a manifest, a configuration, a layer) by its digest, with its type and size (OCI image-spec,
/// descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the blob, such as `application/vnd.oci.image.manifest.v1+json`; empty if
    /// none is given.
    #[serde(default)]
    pub media_type: String,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// The platform of the image that the blob describes; `None` if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The annotations (free texts about the blob), values by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The platform that an image is for, by the names of the Go language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The processor architecture, such as `amd64`; empty if none is given.
    #[serde(default)]
    pub architecture: String,
    /// The operating system, such as `linux`; empty if none is given.
    #[serde(default)]
    pub os: String,
    /// The version of the operating system, which images for Windows have; else empty.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// The features that the operating system must have, by the image's statement; empty if it states none.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// The variant of the architecture, such as `v8`; empty if none is given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// The answer of a registry about a name: the manifest or index under that name, and its platforms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// The descriptor of the manifest or index.
    pub descriptor: Descriptor,
    /// The platform of the image, or the platforms of all images of the index.
    pub platforms: Vec<Platform>,
}

/// The manifest of an image (manifest.md).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    /// The version of the format; always 2.
    pub schema_version: u32,
    /// The media type of the manifest; empty if it states none.
    #[serde(default)]
    pub media_type: String,
    /// The descriptor of the image's configuration.
    pub config: Descriptor,
    /// The descriptors of the layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// An index of several images (image-index.md).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    /// The version of the format; always 2.
    pub schema_version: u32,
    /// The media type of the index; empty if it states none.
    #[serde(default)]
    pub media_type: String,
    /// The descriptors of the manifests.
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
