//! The reasons for which an image is not removed.

use thiserror::Error;

/// The reason for which an image may not be removed. The messages are dockerd's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Conflict {
    /// The caller gave a name to remove, without force. It is the image's last name, and a container was created from
    /// the image.
    #[error(
        "conflict: unable to remove repository reference \"{name}\" (must force) - container \
         {container} is using its referenced image {image}"
    )]
    Name {
        /// The name, as the caller wrote it.
        name: String,
        /// The container's short ID, twelve digits.
        container: String,
        /// The image's short ID, twelve hex digits.
        image: String,
    },
    /// The image can't be deleted: the caller gave its ID, and a container uses the image, or the image has several
    /// names.
    #[error("conflict: unable to delete {image} ({force}) - {why}")]
    Image {
        /// The image's short ID, twelve hex digits.
        image: String,
        /// Whether force would help, in dockerd's words: `cannot be forced` or `must be forced`.
        force: &'static str,
        /// The use that prevents the removal, such as a running container.
        why: String,
    },
}
