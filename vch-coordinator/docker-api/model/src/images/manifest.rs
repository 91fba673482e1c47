//! The manifests of an image. A VCH has only the one for its own platform.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use crate::images::{descriptor, platform};
use serde::Serialize;
use vch_image_store::{Descriptor, Image, Platform};

/// The manifest for this platform.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageManifest {
    #[serde(rename = "ID")]
    pub id: String,
    pub descriptor: Descriptor,
    pub available: bool,
    pub kind: &'static str,
    pub size: ManifestSize,
    pub image_data: ImageData,
}

/// The size in bytes, packed and unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManifestSize {
    pub content: u64,
    pub total: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageData {
    pub platform: Platform,
    /// The IDs of the containers of the image.
    pub containers: Vec<String>,
    pub size: UnpackedSize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnpackedSize {
    pub unpacked: u64,
}

/// Returns the descriptor of an image's manifest with its platform.
pub fn platform_descriptor(image: &Image) -> Descriptor {
    Descriptor {
        platform: Some(machine(image)),
        ..descriptor(image)
    }
}

/// Returns the manifests of an image with the given containers.
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
