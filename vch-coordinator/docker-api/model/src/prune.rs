//! The objects that prunes and removals removed.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use serde::Serialize;

/// Returns a list; `None`, which is null as for an empty list of Go, if it is empty.
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

/// A record of an image's removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ImageRemoval {
    /// A name was removed.
    Untagged(String),
    /// The image with this ID was removed.
    Deleted(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworksPruned {
    pub networks_deleted: Option<Vec<String>>,
}

/// The response to a prune of volumes, of which a VCH has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumesPruned {
    pub volumes_deleted: [String; 0],
    pub space_reclaimed: u64,
}

/// The response to a prune of the build cache, of which a VCH has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BuildCachePruned {
    pub caches_deleted: Option<[String; 0]>,
    pub space_reclaimed: u64,
}
