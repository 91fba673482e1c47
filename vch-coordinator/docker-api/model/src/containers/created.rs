//! Short answers about a container that was made, changed or awaited.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use crate::{Version, gates, json::Empty};
use serde::Serialize;

/// It was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    pub id: String,
    pub warnings: Vec<String>,
}

/// It was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Updated {
    /// Null where there is nothing to be said.
    pub warnings: Option<Vec<String>>,
}

/// It has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Waited {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Option<Empty>>,
    pub status_code: i32,
}

impl Waited {
    /// Returns the answer to a wait that ended by an exit code.
    pub fn of(exit_code: i32, version: Version) -> Self {
        Self {
            error: gates::WAIT_ERROR.then(version, None),
            status_code: exit_code,
        }
    }
}
