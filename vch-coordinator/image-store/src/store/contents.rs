//! What a store has, as one value.

use super::Image;
use crate::digest::Digest;
use crate::oci::Descriptor;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) type Images = BTreeMap<Digest, Arc<Image>>;

/// The images that index.json names.
#[derive(Clone, Debug, Default)]
pub(super) struct StoreState {
    /// The images by ID.
    pub images: Images,
    /// The images of which something could not be read. They stay in index.json, and no blob is
    /// removed meanwhile, since it may be one of theirs.
    pub unreadable: Vec<Descriptor>,
}
