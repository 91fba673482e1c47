//! The lines of progress that a client reads while an image is pulled, imported or loaded.

use serde::Serialize;
use vch_image_store::Progress;

/// A line of the stream of progress that a client reads during a pull, an import or a load. Each is a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ProgressLine {
    /// A report during the operation, such as how far the download of a layer is, or a result in words.
    Progress(Progress),
    /// The result of an import; its last line if it succeeds.
    Status {
        /// The new image's ID, `sha256:…`.
        status: String,
    },
    /// The failure of the whole operation. It is the last line, since the response's status 200 was already sent.
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
    /// Returns a [`ProgressLine::Failed`], which has this message in both forms.
    pub fn failed(message: &str) -> Self {
        Self::Failed {
            detail: ErrorDetail {
                message: message.to_owned(),
            },
            error: message.to_owned(),
        }
    }
}
