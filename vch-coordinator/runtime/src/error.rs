//! The errors of requests about containers' runs.

use super::{Unreadable, launch::LaunchError};
use std::{io, path::PathBuf, sync::Arc};
use thiserror::Error;
use vch_engine::RequestError;
use vch_image_store::ImageError;
use vch_ledger::Refusal;
use vch_shim::ClientError;
use vch_store::WriterError;

/// Why a request about a container's run was not carried out.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The ledger refused the request, or the network could not be changed accordingly.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// This VCH starts no VMs.
    #[error(
        "this VCH starts no VMs: set `kind = \"qemu\"` in the table [runtime] of vch.toml and start the coordinator again"
    )]
    Disabled,
    /// The container has no workload: another program runs its VM.
    #[error("container {0} is run by somebody else: it was made by `vchctl container add`")]
    NotOurs(String),
    /// The container does not run.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// The container runs or waits to be restarted, so that it cannot be removed without force.
    #[error("container {name} is {state}: stop it before its removal, or end it by force")]
    Running {
        /// The container's name.
        name: String,
        /// The container's state: `running` or `restarting`.
        state: &'static str,
    },
    /// The container is being removed.
    #[error("container {0} is being removed")]
    Removing(String),
    /// The VM still runs although its shim was killed.
    #[error(
        "the VM of container {0} could not be ended: its process does not go although it was killed: see `vchctl status`, and try again"
    )]
    Unkillable(String),
    /// The VM of an earlier run still runs.
    #[error(
        "the VM of an earlier run of container {name} goes on, as process {pid}: `docker kill {name}` ends it"
    )]
    Orphan {
        /// The container's name.
        name: String,
        /// The process number of the VM's shim.
        pid: u32,
    },
    /// The error that several requests share.
    #[error(transparent)]
    Shared(Arc<RuntimeError>),
    /// The container's process did not start.
    #[error("{reason}")]
    NotStarted {
        /// The exit code, as a shell has it: 127 if the program was not found, 126 if it is not
        /// executable, 125 for other reasons.
        code: u8,
        /// The reason in words.
        reason: String,
    },
    /// The VM's shim answered with an error or not at all.
    #[error(transparent)]
    Shim(#[from] ClientError),
    /// The image cannot be read, or a disk cannot be made.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The workload's image is not a digest.
    #[error("No such image: {0}")]
    NoImage(String),
    /// The workload cannot be converted for the shim.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A document of the container cannot be serialized as JSON.
    #[error("what is to be kept of the container cannot be written")]
    Unwritable(#[source] serde_json::Error),
    /// A document of the container cannot be read.
    #[error("{}", .0.reason)]
    Document(Box<Unreadable>),
    /// An operation on a file or directory failed.
    #[error("cannot {what} {}", path.display())]
    File {
        /// The operation, as a verb: "cannot {what} {path}".
        what: &'static str,
        /// The path.
        path: PathBuf,
        /// The error of the operation.
        #[source]
        source: io::Error,
    },
}

impl RuntimeError {
    /// Returns the error to answer one of several requests with: a copy if the error can be copied,
    /// or else [`Self::Shared`].
    pub(super) fn shared(error: Arc<Self>) -> Self {
        match &*error {
            Self::Request(request) => Self::Request(request.clone()),
            Self::NotStarted { code, reason } => Self::NotStarted {
                code: *code,
                reason: reason.clone(),
            },
            Self::NotOurs(name) => Self::NotOurs(name.clone()),
            Self::NotRunning(name) => Self::NotRunning(name.clone()),
            _ => Self::Shared(error),
        }
    }

    /// Returns the error itself if several requests share it.
    pub fn own(&self) -> &Self {
        match self {
            Self::Shared(error) => error.own(),
            own => own,
        }
    }
}

impl From<Refusal> for RuntimeError {
    fn from(refusal: Refusal) -> Self {
        Self::Request(refusal.into())
    }
}

impl From<WriterError> for RuntimeError {
    fn from(error: WriterError) -> Self {
        Self::Request(error.into())
    }
}
