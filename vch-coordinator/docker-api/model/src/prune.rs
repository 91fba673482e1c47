//! What prunes and removals took away.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use serde::Serialize;

/// Returns a list, or `None` where Go has an empty one and writes null.
pub fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainersPruned {
    pub containers_deleted: Option<Vec<String>>,
    pub space_reclaimed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImagesPruned {
    pub images_deleted: Option<Vec<ImageRemoval>>,
    pub space_reclaimed: u64,
}

/// What became of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ImageRemoval {
    /// A name is gone.
    Untagged(String),
    /// The image is gone: its ID.
    Deleted(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworksPruned {
    pub networks_deleted: Option<Vec<String>>,
}

/// A VCH has no volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumesPruned {
    pub volumes_deleted: [String; 0],
    pub space_reclaimed: u64,
}

/// A VCH builds no images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BuildCachePruned {
    pub caches_deleted: Option<[String; 0]>,
    pub space_reclaimed: u64,
}
