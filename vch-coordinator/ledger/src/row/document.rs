//! What others keep with a container.

use crate::ContainerId;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A text that others keep with a container: it comes, changes and goes with the container's row, in
/// the same transactions. The ledger does not read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// With which container.
    pub container: ContainerId,
    /// Which of its documents.
    pub kind: DocumentKind,
    /// What it says: at most [`MAX_DOCUMENT`](crate::MAX_DOCUMENT) bytes.
    pub text: Arc<str>,
}

/// Which documents a container can have, one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DocumentKind {
    /// What its VM runs.
    Workload,
    /// How its present or last life went.
    Life,
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workload => "workload",
            Self::Life => "life",
        })
    }
}
