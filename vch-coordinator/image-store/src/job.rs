//! The messages between the store and the helper process `vch-image`: one line of JSON to it, lines
//! of JSON from it.

use crate::digest::Digest;
use crate::layer::Packing;
use crate::limits::Limits;
use crate::oci::Distribution;
use crate::reference::Reference;
use serde::{Deserialize, Serialize};

/// The file name of the finished root file system in the staging directory.
pub(crate) const ROOTFS: &str = "rootfs.squashfs";

/// Returns the file name of the n-th layer that the store has put into the staging directory.
pub(crate) fn layer_file(n: usize) -> String {
    format!("layer{n}")
}

/// The job for a helper process, with the limits that apply to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The limits of one image.
    pub limits: Limits,
    /// The job to do.
    pub job: Job,
}

/// A job of the helper process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Job {
    /// Import the archive of a root file system, which follows the order's line.
    Import,
    /// Load the archive of images, which follows the order's line.
    Load,
    /// Fetch an image from its registry.
    Pull(Pull),
    /// Check a user's credentials at a registry.
    Login(Login),
    /// Ask a registry for the manifest under a name.
    Inspect(Remote),
    /// Ask a registry for the tags of a repository.
    Tags(Remote),
    /// Make a root file system of the layers in the staging directory, whose unpacked digests these are.
    Rootfs { layers: Vec<Digest> },
}

/// The job to fetch an image from a registry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pull {
    /// The name of the image.
    pub name: Reference,
    /// The user and password, if the registry asks for them.
    pub credentials: Option<(String, String)>,
    /// Whether to connect without TLS.
    pub plain: bool,
    /// The images that the store has already.
    pub images: Vec<Digest>,
}

/// The registry and the user of a login.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    /// The registry's host, with a port or without.
    pub registry: String,
    /// The user and password.
    pub credentials: (String, String),
    /// Whether to connect without TLS.
    pub plain: bool,
}

/// A name at a registry to ask about.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remote {
    /// The name to ask about.
    pub name: Reference,
    /// The user and password, if the registry asks for them.
    pub credentials: Option<(String, String)>,
    /// Whether to connect without TLS.
    pub plain: bool,
}

/// A message of the helper: one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    Progress(Progress),
    Done(Done),
    Failed(Failure, String),
}

/// The result of a job.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Done {
    /// The images in the staging directory; empty for a job that brings none.
    Arrived(Vec<Arrived>),
    /// The registry's answer to [`Job::Inspect`].
    Described(Box<Distribution>),
    /// The registry's answer to [`Job::Tags`].
    Tags(Vec<String>),
}

/// The kind of a failed job of the helper process `vch-image`, from which an API derives its status
/// code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failure {
    /// The content is not a valid image, or exceeds a limit.
    Content,
    /// The registry does not have the image, or does not show it to this user.
    Missing,
    /// The registry does not accept the user's credentials.
    Denied,
    /// The registry can't be reached, or its answers are not valid.
    Registry,
    /// The helper itself failed, for example because a program is not installed.
    Own,
}

/// A line of progress of a pull, load or import, which the API sends to its client in the JSON form of Docker's API.
/// Fields that are `None` are left out of the JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// A text that is shown as it is, such as `Loaded image: busybox:latest`; `None` if `status` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The present operation, such as `Downloading`; `None` if `stream` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The object of the operation, such as the short digest of a layer; `None` if the line is about the whole request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How much of the operation is done, in bytes; `None` if the line states no amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<Detail>,
}

/// How much of an operation (a download, an extraction) is done, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The number of bytes that are done; `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// The number of bytes in total; `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// A file in the staging directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// The name of the file.
    pub file: String,
    /// The digest of its content.
    pub digest: Digest,
    /// The size of the file in bytes.
    pub size: u64,
}

/// A layer in the staging directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ArrivedLayer {
    /// The file of the layer, as it arrived.
    pub piece: Piece,
    /// The compression of the file.
    pub packing: Packing,
    /// The digest of the unpacked layer.
    pub diff_id: Digest,
    /// The bytes of the layer's files, unpacked.
    pub bytes: u64,
}

/// An image in the staging directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Arrived {
    /// The names that the image gets.
    pub names: Vec<Reference>,
    /// The image's configuration; `None` for an imported root file system.
    pub config: Option<Piece>,
    /// The layers, the lowest first.
    pub layers: Vec<ArrivedLayer>,
}
