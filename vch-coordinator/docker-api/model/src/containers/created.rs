//! Short responses about a container that was created, updated or waited for.

use crate::{Version, gates, json::Empty};
use serde::Serialize;

/// The response to `POST /containers/create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    /// The new container's ID: 64 hexadecimal digits.
    pub id: String,
    /// Sentences about settings of the request that have less effect than the client may expect; may be empty.
    pub warnings: Vec<String>,
}

/// The response to `POST /containers/{id}/update`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Updated {
    /// Sentences about limits that are ignored, or that take effect only at the next start of the running container;
    /// `None`, shown as null, without warnings.
    pub warnings: Option<Vec<String>>,
}

/// The response to `POST /containers/{id}/wait`, when the container has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Waited {
    /// Why waiting failed, which never happens. Up to API 1.41 `Some(None)`, shown as null; since API 1.42 `None` (the
    /// key is left out).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Option<Empty>>,
    /// The exit code of the container's process.
    pub status_code: i32,
}

impl Waited {
    /// Returns the response to a wait that ended with an exit code, for a client of an API version.
    pub fn of(exit_code: i32, version: Version) -> Self {
        Self {
            error: gates::WAIT_ERROR.then(version, None),
            status_code: exit_code,
        }
    }
}
