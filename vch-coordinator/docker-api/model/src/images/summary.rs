//! An image in the response to `GET /images/json` (`docker images`).

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

/// An image in a list, as `docker images` shows it. The fields are in dockerd's order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageSummary {
    /// The number of containers of the image; `None`, shown as -1, if they were not counted.
    #[serde(serialize_with = "or_uncounted")]
    pub containers: Option<u64>,
    /// When the image was created, in seconds since 1970; 0 if that is unknown.
    pub created: u64,
    /// The image's ID, `sha256:…`.
    pub id: String,
    /// The image's labels; `None`, shown as null, if its configuration has none.
    pub labels: Option<BTreeMap<String, String>>,
    /// The ID of the image that this one was built from. Always empty.
    pub parent_id: &'static str,
    /// The image's names with digests, such as `nginx@sha256:…`.
    pub repo_digests: Vec<String>,
    /// The image's names with tags, such as `nginx:latest`: those that match the filter `reference`, or all without
    /// that filter.
    pub repo_tags: Vec<String>,
    /// The bytes of the image's packed layers that other images have as well; `None`, shown as -1, if they were not
    /// computed.
    #[serde(serialize_with = "or_uncounted")]
    pub shared_size: Option<u64>,
    /// The sum of the sizes of the files in all unpacked layers, in bytes; 0 if it is not known.
    pub size: u64,
    /// The same as [`ImageSummary::size`]; `None` (the key is left out) since API 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<u64>,
    /// The descriptor of the image's manifest: media type, digest and size. `None` (the key is left out) up to API
    /// 1.47.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    /// The image's manifests; `None` (the key is left out) unless the client asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifests: Option<[ImageManifest; 1]>,
}

impl ImageSummary {
    /// Returns an image as a list shows it to a client of an API version. Its tags are those that match the filter
    /// `reference`. The caller sets the fields that are `None` here: containers, shared size and manifests.
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
