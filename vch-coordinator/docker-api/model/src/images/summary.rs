//! An image in a list.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use crate::{
    Version,
    filters::Filters,
    gates,
    images::{
        created, descriptor,
        manifest::ImageManifest,
        named::{is_meant, names},
    },
};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use vch_image_store::{Descriptor, Image};

/// An image in a list. The fields are in dockerd's order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageSummary {
    /// The number of containers; `None` if they were not counted.
    #[serde(serialize_with = "or_uncounted")]
    pub containers: Option<u64>,
    pub created: u64,
    pub id: String,
    pub labels: Option<BTreeMap<String, String>>,
    pub parent_id: &'static str,
    pub repo_digests: Vec<String>,
    pub repo_tags: Vec<String>,
    /// The size that is shared with other images; `None` if it was not computed.
    #[serde(serialize_with = "or_uncounted")]
    pub shared_size: Option<u64>,
    pub size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifests: Option<[ImageManifest; 1]>,
}

impl ImageSummary {
    /// Returns an image with its names that match the filters.
    pub fn of(image: &Image, filters: &Filters, version: Version) -> Self {
        let (mut tags, digests) = names(image);
        tags.retain(|tag| is_meant(filters, tag));
        let run = image.config.config.as_ref();
        Self {
            containers: None,
            created: created(image).as_secs(),
            id: image.id.to_string(),
            labels: run.and_then(|run| run.labels.clone()),
            parent_id: "",
            repo_digests: digests,
            repo_tags: tags,
            shared_size: None,
            size: image.bytes,
            virtual_size: gates::IMAGE_VIRTUAL_SIZE.then(version, image.bytes),
            descriptor: gates::IMAGE_DESCRIPTOR.then(version, descriptor(image)),
            manifests: None,
        }
    }
}

/// Serializes a count; -1 if it was not counted.
///
/// # Errors
/// Returns the serializer's error.
fn or_uncounted<S: Serializer>(counted: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match counted {
        Some(count) => serializer.serialize_u64(*count),
        None => serializer.serialize_i64(-1),
    }
}
