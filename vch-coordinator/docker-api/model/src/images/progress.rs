//! The lines of progress that a client reads while an image is pulled, imported or loaded.

use serde::Serialize;
use vch_image_store::Progress;

/// A line of the stream of progress that a client reads during a pull, an import or a load. Each is a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ProgressLine {
    /// How far the operation on a layer is, or a result in words.
    Progress(Progress),
    /// The result of an import.
    Status {
        /// The new image's ID, `sha256:…`.
        status: String,
    },
    /// The failure of the whole operation; the last line.
    Failed {
        /// The failure's message as an object, for newer clients.
        #[serde(rename = "errorDetail")]
        detail: ErrorDetail,
        /// The same message as text, for older clients.
        error: String,
    },
}

/// The failure of a pull, an import or a load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorDetail {
    /// The message for the user.
    pub message: String,
}

impl ProgressLine {
    /// Returns the line of a failure with this message.
    pub fn failed(message: &str) -> Self {
        Self::Failed {
            detail: ErrorDetail {
                message: message.to_owned(),
            },
            error: message.to_owned(),
        }
    }
}
