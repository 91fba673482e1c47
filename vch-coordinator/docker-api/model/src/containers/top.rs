//! The processes of a container, as `docker top` shows them.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use serde::Serialize;

/// A table of processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Top {
    pub titles: Vec<String>,
    /// The rows, one for each process, with a column for each title.
    pub processes: Vec<Vec<String>>,
}
