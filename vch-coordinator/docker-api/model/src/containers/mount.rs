//! Mounts of a container as Docker shows them.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use crate::containers::shown::Shown;
use serde::Serialize;
use serde_json::Value;

/// An in-memory file system.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountPoint<'a> {
    pub r#type: &'static str,
    pub source: &'static str,
    pub destination: Option<&'a Value>,
    pub mode: &'static str,
    #[serde(rename = "RW")]
    pub rw: bool,
    pub propagation: &'static str,
}

impl<'a> MountPoint<'a> {
    /// Returns the file systems that were requested as mounts. dockerd does not show those of
    /// `--tmpfs` here.
    pub fn all(shown: &'a Shown) -> Vec<Self> {
        let shown = shown.host.mounts.iter().map(|mount| Self {
            r#type: "tmpfs",
            source: "",
            destination: mount.get("Target"),
            mode: "",
            rw: mount.get("ReadOnly") != Some(&Value::Bool(true)),
            propagation: "",
        });
        shown.collect()
    }
}
