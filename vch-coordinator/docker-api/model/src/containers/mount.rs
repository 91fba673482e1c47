//! The mounts of a container, as Docker's responses show them.

use crate::containers::document::ContainerDocument;
use serde::Serialize;
use serde_json::Value;

/// A mount of a container. A VCH has only in-memory file systems (tmpfs), so most fields are constant.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountPoint<'a> {
    /// The type. Always `tmpfs`.
    pub r#type: &'static str,
    /// The directory or volume that is mounted. Always empty.
    pub source: &'static str,
    /// The path in the container, as the client wrote it; `None`, shown as null, if the client wrote none.
    pub destination: Option<&'a Value>,
    /// The mount options. Always empty.
    pub mode: &'static str,
    /// Whether the mount is writable.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// The mount propagation. Always empty.
    pub propagation: &'static str,
}

impl<'a> MountPoint<'a> {
    /// Returns the file systems that the client requested with `--mount`. File systems of `--tmpfs` are left out,
    /// as in dockerd.
    pub fn all(document: &'a ContainerDocument) -> Vec<Self> {
        let mounts = document.host.mounts.iter().map(|mount| Self {
            r#type: "tmpfs",
            source: "",
            destination: mount.get("Target"),
            mode: "",
            rw: mount.get("ReadOnly") != Some(&Value::Bool(true)),
            propagation: "",
        });
        mounts.collect()
    }
}
