//! Short responses about a container that was created, updated or waited for.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use crate::{Version, gates, json::Empty};
use serde::Serialize;

/// The response to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    pub id: String,
    pub warnings: Vec<String>,
}

/// The response to update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Updated {
    /// The warnings; null if there are none.
    pub warnings: Option<Vec<String>>,
}

/// The response to wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Waited {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Option<Empty>>,
    pub status_code: i32,
}

impl Waited {
    /// Returns the response to a wait that ended with an exit code.
    pub fn of(exit_code: i32, version: Version) -> Self {
        Self {
            error: gates::WAIT_ERROR.then(version, None),
            status_code: exit_code,
        }
    }
}
