//! The errors of requests about containers' runs.

use super::{Unreadable, launch::LaunchError};
use std::{io, path::PathBuf, sync::Arc};
use thiserror::Error;
use vch_engine::RequestError;
use vch_image_store::ImageError;
use vch_ledger::Refusal;
use vch_shim::ClientError;
use vch_store::WriterError;

/// The reason for which a request about a container was not carried out.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The ledger (the coordinator's store of decisions) refused the request or could not store it,
    /// or the host's network could not be changed accordingly.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The coordinator starts no VMs: its configuration has no `kind = "qemu"` in the table
    /// `[runtime]`.
    #[error(
        "this VCH starts no VMs: set `kind = \"qemu\"` in the table [runtime] of vch.toml and start the coordinator again"
    )]
    Disabled,
    /// The container of this ID or name does not exist, or another program runs its VM.
    #[error("container {0} is run by somebody else: it was made by `vchctl container add`")]
    NotOurs(String),
    /// The container with this ID does not run.
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
    /// The container with this ID is being removed.
    #[error("container {0} is being removed")]
    Removing(String),
    /// The VM of the container with this ID still runs although its shim process was sent SIGKILL.
    #[error(
        "the VM of container {0} could not be ended: its process does not go although it was killed: see `vchctl status`, and try again"
    )]
    Unkillable(String),
    /// The container has ended, but the VM of its last run still runs. Starting a second VM would
    /// damage the disk that both would write.
    #[error(
        "the VM of an earlier run of container {name} goes on, as process {pid}: `docker kill {name}` ends it"
    )]
    Orphan {
        /// The container's name.
        name: String,
        /// The process ID of the VM's shim process on the host.
        pid: u32,
    },
    /// One error that answers several requests, which waited for the same operation and cannot each own it.
    /// [`own`](Self::own) returns the error inside.
    #[error(transparent)]
    Shared(Arc<RuntimeError>),
    /// The container's VM or its process did not start.
    #[error("{reason}")]
    NotStarted {
        /// The exit code that `docker run` reports: 127 if the program was not found, 126 if it is not executable, 137
        /// if the start was cancelled by a kill, 125 or 128 for other reasons.
        code: u8,
        /// The reason, for the user.
        reason: String,
    },
    /// The shim, the process that runs the container's VM, answered with an error or not at all.
    #[error(transparent)]
    Shim(#[from] ClientError),
    /// The image cannot be read, or a disk of the VM cannot be made from it.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The workload names its image by this text, which is not a digest (`sha256:…`).
    #[error("No such image: {0}")]
    NoImage(String),
    /// The workload contains a value that a VM cannot be started with.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The workload or run state of the container cannot be serialized as JSON.
    #[error("what is to be kept of the container cannot be written")]
    Unwritable(#[source] serde_json::Error),
    /// The container's stored workload (its configuration) or run state cannot be read: another
    /// release wrote it, or a user changed it.
    #[error("{}", .0.reason)]
    Document(Box<Unreadable>),
    /// An operation on a file or directory failed.
    #[error("cannot {what} {}", path.display())]
    File {
        /// The operation, as the verb of the sentence "cannot {what} {path}".
        what: &'static str,
        /// The path of the file or directory.
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

    /// Returns the error inside [`Self::Shared`], or else the error itself.
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

#[cfg(test)]
mod tests;
