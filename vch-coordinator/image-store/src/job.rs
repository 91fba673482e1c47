//! What the store and `vch-image` say to one another: one line of JSON to it, lines of JSON from it.

use crate::digest::Digest;
use crate::layer::Packing;
use crate::limits::Limits;
use crate::oci::Distribution;
use crate::reference::Reference;
use serde::{Deserialize, Serialize};

/// The finished root file system, in the staging directory.
pub(crate) const ROOTFS: &str = "rootfs.squashfs";

/// Name of the n-th layer that the store has put into the staging directory.
pub(crate) fn layer_file(n: usize) -> String {
    format!("layer{n}")
}

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub limits: Limits,
    pub job: Job,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Job {
    /// Behind the line comes the archive of a root file system.
    Import,
    /// Behind the line comes an archive of images.
    Load,
    /// Fetch an image from its registry.
    Pull(Pull),
    /// Ask a registry whether it knows the user.
    Login(Login),
    /// Ask a registry what it has under a name.
    Inspect(Remote),
    /// Ask a registry for the tags of a repository.
    Tags(Remote),
    /// Make a root file system of the layers in the staging directory, whose unpacked digests these are.
    Rootfs { layers: Vec<Digest> },
}

/// What is to be fetched.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pull {
    pub name: Reference,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// Without TLS.
    pub plain: bool,
    /// Images that the store has already.
    pub images: Vec<Digest>,
}

/// Where to ask, and for whom.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    /// Host, with a port or without.
    pub registry: String,
    /// User and password.
    pub credentials: (String, String),
    /// Without TLS.
    pub plain: bool,
}

/// What to ask a registry about.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remote {
    pub name: Reference,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// Without TLS.
    pub plain: bool,
}

/// What comes back.
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
    /// Images in the staging directory; none for a job that brings none.
    Arrived(Vec<Arrived>),
    /// The registry's answer to [`Job::Inspect`].
    Described(Box<Distribution>),
    /// The registry's answer to [`Job::Tags`].
    Tags(Vec<String>),
}

/// Whose fault it is that there is no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failure {
    /// What was sent is no image, or too large a one.
    Content,
    /// The registry has no such image, or does not show it.
    Missing,
    /// The registry does not know the user.
    Denied,
    /// The registry does not answer as one.
    Registry,
    /// The helper's own.
    Own,
}

/// A line of progress, in the form of Docker's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Text of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// What is going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// With what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<Detail>,
}

/// Bytes done, of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// Of how many, if that is known.
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
    /// Of the unpacked layer.
    pub diff_id: Digest,
    /// Of its files, unpacked.
    pub bytes: u64,
}

/// An image in the staging directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Arrived {
    pub names: Vec<Reference>,
    /// An imported root file system has none yet.
    pub config: Option<Piece>,
    pub layers: Vec<ArrivedLayer>,
}
