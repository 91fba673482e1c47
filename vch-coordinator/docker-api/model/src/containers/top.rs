//! The processes of a container, as `docker top` shows them.

use serde::Serialize;

/// The response to `GET /containers/{id}/top`: a table of the container's processes, in the form of ps(1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Top {
    /// The titles of the columns, such as `PID`. The request's parameter `ps_args` chooses the columns.
    pub titles: Vec<String>,
    /// The rows, one for each process, each with one text for each title.
    pub processes: Vec<Vec<String>>,
}
