//! The manifests of an image: one for each platform that it was built for. A VCH stores only the one for its own
//! platform.

use crate::images::{descriptor, platform};
use serde::Serialize;
use vch_image_store::{Descriptor, Image, Platform};

/// A manifest of an image, for the VCH's own platform, with the sizes of its files and the containers that use it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageManifest {
    /// The digest of the manifest, `sha256:…`.
    #[serde(rename = "ID")]
    pub id: String,
    /// The descriptor of the manifest: media type, digest and size.
    pub descriptor: Descriptor,
    /// Whether the VCH has the files of the manifest. Always true.
    pub available: bool,
    /// The kind of manifest. Always `image`.
    pub kind: &'static str,
    /// The size of the image's files.
    pub size: ManifestSize,
    /// The image's platform, containers and unpacked size.
    pub image_data: ImageData,
}

/// The size of an image's files, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManifestSize {
    /// The bytes of the packed layers, as they were pulled or loaded.
    pub content: u64,
    /// The bytes of the packed layers and of the unpacked files together.
    pub total: u64,
}

/// The image that a manifest describes: its platform, containers and unpacked size.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageData {
    /// The operating system and the processor architecture.
    pub platform: Platform,
    /// The IDs of the containers of the image; in a list of images up to API 1.50, in which they are not counted,
    /// empty.
    pub containers: Vec<String>,
    /// The size of the unpacked files.
    pub size: UnpackedSize,
}

/// The size of an image's unpacked files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnpackedSize {
    /// The size in bytes.
    pub unpacked: u64,
}

/// Returns the descriptor of an image's manifest in the store: media type, digest, size, and the image's operating
/// system and architecture.
pub fn platform_descriptor(image: &Image) -> Descriptor {
    Descriptor {
        platform: Some(machine(image)),
        ..descriptor(image)
    }
}

/// Returns the manifests of an image: always the one for the VCH's own platform. `containers` has the IDs of the
/// image's containers.
pub fn manifests(image: &Image, containers: Vec<String>) -> [ImageManifest; 1] {
    let descriptor = descriptor(image);
    let packed: u64 = image.layers.iter().map(|layer| layer.size).sum();
    [ImageManifest {
        id: descriptor.digest.to_string(),
        descriptor,
        available: true,
        kind: "image",
        size: ManifestSize {
            content: packed,
            total: packed + image.bytes,
        },
        image_data: ImageData {
            platform: machine(image),
            containers,
            size: UnpackedSize {
                unpacked: image.bytes,
            },
        },
    }]
}

/// Returns the operating system and architecture of an image.
fn machine(image: &Image) -> Platform {
    let [os, architecture, _] = platform(image);
    Platform {
        os,
        architecture,
        ..Platform::default()
    }
}
