//! The row of a document that other packages store with a container.

use crate::ContainerId;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A text that other packages store with a container. It is added, changed and removed in the same transactions as
/// the container's row. The ledger does not read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The container's ID.
    pub container: ContainerId,
    /// The kind of the document.
    pub kind: DocumentKind,
    /// The text: at most [`MAX_DOCUMENT`](crate::MAX_DOCUMENT) bytes.
    pub text: Arc<str>,
}

/// The kinds of documents; a container has at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DocumentKind {
    /// The workload: the image, process and limits of the container's VM.
    Workload,
    /// The state of the container's present or last run.
    RunState,
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workload => "workload",
            Self::RunState => "life",
        })
    }
}
