//! The messages between the store and `vch-image`: one line of JSON to it, lines of JSON from it.

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

/// The order of a job, with its bounds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub limits: Limits,
    pub job: Job,
}

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

/// An image to be fetched.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pull {
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
    pub name: Reference,
    /// The user and password, if the registry asks for them.
    pub credentials: Option<(String, String)>,
    /// Whether to connect without TLS.
    pub plain: bool,
}

/// A line from the helper.
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

/// The cause of a job's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failure {
    /// The content is not an image, or too large a one.
    Content,
    /// The registry does not have the image, or does not show it to this user.
    Missing,
    /// The registry does not accept the user.
    Denied,
    /// The registry's answers are wrong.
    Registry,
    /// The helper itself failed.
    Own,
}

/// A line of progress, in the form of Docker's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Text of its own, without an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The operation that is going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The object of the operation, such as a layer's short digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The progress in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<Detail>,
}

/// Progress in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The bytes that are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// The total bytes, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// A file in the staging directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub file: String,
    pub digest: Digest,
    pub size: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ArrivedLayer {
    pub piece: Piece,
    pub packing: Packing,
    /// The digest of the unpacked layer.
    pub diff_id: Digest,
    /// The bytes of the layer's files, unpacked.
    pub bytes: u64,
}

/// An image in the staging directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Arrived {
    pub names: Vec<Reference>,
    /// The image's configuration; `None` for an imported root file system.
    pub config: Option<Piece>,
    pub layers: Vec<ArrivedLayer>,
}
