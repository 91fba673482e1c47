//! Lines of progress of a pull, an import or a load.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use serde::Serialize;
use vch_image_store::Progress;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ProgressLine {
    /// The progress.
    Progress(Progress),
    /// The result.
    Status { status: String },
    /// The failure.
    Failed {
        #[serde(rename = "errorDetail")]
        detail: ErrorDetail,
        error: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorDetail {
    pub message: String,
}

impl ProgressLine {
    /// Returns the line of a failure.
    pub fn failed(message: &str) -> Self {
        Self::Failed {
            detail: ErrorDetail {
                message: message.to_owned(),
            },
            error: message.to_owned(),
        }
    }
}
