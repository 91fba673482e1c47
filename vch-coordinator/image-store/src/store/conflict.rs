//! Why an image is not removed.

use thiserror::Error;

/// The reason for which an image may not be removed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Conflict {
    /// A container needs the image, and the name is its last one.
    #[error(
        "conflict: unable to remove repository reference \"{name}\" (must force) - container \
         {container} is using its referenced image {image}"
    )]
    Name {
        /// The name, as the caller wrote it.
        name: String,
        /// The container's short ID, twelve digits.
        container: String,
        /// The image's short ID, twelve digits.
        image: String,
    },
    /// The image was given by its ID, and is in use.
    #[error("conflict: unable to delete {image} ({force}) - {why}")]
    Image {
        /// The image's short ID, twelve digits.
        image: String,
        /// Whether force would help, as dockerd's phrase.
        force: &'static str,
        /// The use that is in the way.
        why: String,
    },
}
