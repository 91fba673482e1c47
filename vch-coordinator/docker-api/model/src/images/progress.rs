//! Lines by which a pull, an import or a load is followed.

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
    /// How far it is.
    Progress(Progress),
    /// What came of it.
    Status { status: String },
    /// Why it failed.
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
