//! The configuration of an image (OCI image-spec, config.md, with Docker's additions). Fields that
//! this package does not know are kept, and shown again by `docker image inspect`.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The configuration of an image: a JSON document whose digest is the image's ID.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The processor architecture, by Go's name, such as `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// The operating system, by Go's name, such as `linux`.
    #[serde(default)]
    pub os: String,
    /// When the image was made, as in RFC 3339; `None` if the configuration has no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The author of the image; `None` if the configuration names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The settings of containers that run the image; `None` if the configuration has none.
    #[serde(default)]
    pub config: Option<Run>,
    /// The digests of the image's layers.
    pub rootfs: RootFs,
    /// The steps by which the image was made, the lowest layer first; `None` if the configuration has no history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<History>>,
    /// All fields of the document that this type does not name.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// The field `rootfs` of an image's configuration: the digests of its layers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// The field `type`; always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The digests of the layers' tar archives without compression, the lowest layer first.
    pub diff_ids: Vec<Digest>,
}

/// A step by which an image was made, as `docker history` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When the step was done, as in RFC 3339; `None` if it is not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The author of the step; `None` if it is not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The command of the step, such as a line of a Dockerfile; `None` if it is not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// A comment on the step; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step changed only the image's configuration; otherwise it made a layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// The settings of containers that run an image: the field `config` of the image's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Run {
    /// The user that the process runs as, by name or number, with an optional group (`user:group`);
    /// empty for root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The exposed ports: the keys are texts such as `80/tcp`, the values are empty objects. `None` means no port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Value>>,
    /// The environment variables, as `NAME=value`; `None` if the image sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The program and its first arguments (`ENTRYPOINT`); `None` if the image has no entrypoint, and
    /// [`cmd`](Self::cmd) begins with the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The arguments that follow the entrypoint (`CMD`), or the program with its arguments if the image has no
    /// entrypoint. `None` if the image sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// The directories that are volumes: the keys are paths, the values are empty objects. `None` means no volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, Value>>,
    /// The working directory of the process; empty for `/`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// The labels of the image, values by name; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The name or number of the signal that stops the process; `None` for SIGTERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// All other fields of the document, among them the health check, the shell and the triggers (`ONBUILD`).
    #[serde(flatten)]
    pub others: Map<String, Value>,
}
