//! The row of a document that other packages store with a container.

use crate::ContainerId;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A text that other packages store with a container, such as its image and process. The text is added, changed and
/// removed in the same transactions as the container. The ledger does not read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The ID of the container that the text belongs to.
    pub container: ContainerId,
    /// The kind of the text.
    pub kind: DocumentKind,
    /// The text itself: at most [`MAX_DOCUMENT`](crate::MAX_DOCUMENT) bytes.
    pub text: Arc<str>,
}

/// The kinds of documents that are stored with a container; a container has at most one of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DocumentKind {
    /// The description of what the container's VM is to run: image, process, limits and options.
    Workload,
    /// The state of the container's present run, or the end of its last run.
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
