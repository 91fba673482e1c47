//! The configuration of an image (OCI image-spec, config.md, with Docker's additions). Fields that this package does
//! not know are kept and shown again.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The document whose digest is the image's ID.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The processor architecture, by Go's name: `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// The operating system, by Go's name: `linux`.
    #[serde(default)]
    pub os: String,
    /// The time of creation, as in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The author of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The settings of a container that runs the image.
    #[serde(default)]
    pub config: Option<Run>,
    /// The layers of the image.
    pub rootfs: RootFs,
    /// The steps by which the image was made, the lowest layer first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<History>>,
    /// All other fields.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// The field `rootfs` of an image's configuration: its kind, and the digests of its unpacked
/// layers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// The kind of root file system; always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The digests of the unpacked layers, the lowest first.
    pub diff_ids: Vec<Digest>,
}

/// A step by which an image was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The time of the step, as in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The author of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The command of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// A comment on the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// The settings of a container that runs the image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Run {
    /// The user, with a group behind a colon.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The exposed ports, such as `80/tcp`, as keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Value>>,
    /// The environment, as `NAME=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The beginning of the command: the program and its first arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The further arguments; the whole command if there is no entrypoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// The directories that are volumes, as keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, Value>>,
    /// The working directory of the process.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// The labels of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The signal that stops the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// All other fields: health check, shell, triggers and further ones.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}
