//! The responses to prunes (`docker container prune` and the like) and to removals of images.

use serde::Serialize;

/// Returns the list; `None`, which is serialized as null, if it is empty. dockerd shows empty lists in this way.
pub fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// The response to `POST /containers/prune`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainersPruned {
    /// The IDs of the removed containers; `None`, shown as null, without any.
    pub containers_deleted: Option<Vec<String>>,
    /// The bytes of the VCH's disk that the writable layers of the removed containers took.
    pub space_reclaimed: u64,
}

/// The response to `POST /images/prune`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImagesPruned {
    /// The removed names and images; `None`, shown as null, without any.
    pub images_deleted: Option<Vec<ImageRemoval>>,
    /// The bytes of the VCH's disk that the removed images' files took. Files that other images or containers still use
    /// are not removed.
    pub space_reclaimed: u64,
}

/// A step of an image's removal, as `docker image rm` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ImageRemoval {
    /// This name of an image, such as `nginx:latest`, was removed; the image itself may stay.
    Untagged(String),
    /// The image with this ID, `sha256:…`, was removed, or a layer that no other image uses, by its chain ID (OCI image
    /// specification).
    Deleted(String),
}

/// The response to `POST /networks/prune`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworksPruned {
    /// The names of the removed networks; `None`, shown as null, without any.
    pub networks_deleted: Option<Vec<String>>,
}

/// The response to `POST /volumes/prune`. A VCH has no volumes: the list is always empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumesPruned {
    /// The names of the removed volumes. Always empty.
    pub volumes_deleted: [String; 0],
    /// The bytes of disk space that the removal freed. Always 0.
    pub space_reclaimed: u64,
}

/// The response to `POST /build/prune`. A VCH has no build cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BuildCachePruned {
    /// The IDs of the removed parts of the cache. Always `None`, shown as null.
    pub caches_deleted: Option<[String; 0]>,
    /// The bytes of disk space that the removal freed. Always 0.
    pub space_reclaimed: u64,
}
