//! Why something of a container's life does not go as it was asked.

use super::{Unreadable, launch::LaunchError};
use std::{io, path::PathBuf, sync::Arc};
use thiserror::Error;
use vch_engine::RequestError;
use vch_image_store::ImageError;
use vch_ledger::Refusal;
use vch_shim::ClientError;
use vch_store::WriterError;

/// Why a request about a container's life was not carried out.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The ledger, an effect or the guest refused it.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// This VCH starts no VMs.
    #[error(
        "this VCH starts no VMs: set `kind = \"qemu\"` in the table [runtime] of vch.toml and start the coordinator again"
    )]
    Disabled,
    /// The container has no workload: somebody else starts its VM.
    #[error("container {0} is run by somebody else: it was made by `vchctl container add`")]
    NotOurs(String),
    /// It does not run.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// It runs, or waits to be started again.
    #[error("container {name} is {state}: stop it before its removal, or end it by force")]
    Running {
        /// Its name.
        name: String,
        /// `running` or `restarting`.
        state: &'static str,
    },
    /// Its removal is under way.
    #[error("container {0} is being removed")]
    Removing(String),
    /// It was killed in every way, and its VM goes on.
    #[error(
        "the VM of container {0} could not be ended: its process does not go although it was killed: see `vchctl status`, and try again"
    )]
    Unkillable(String),
    /// The VM of an earlier run goes on.
    #[error(
        "the VM of an earlier run of container {name} goes on, as process {pid}: `docker kill {name}` ends it"
    )]
    Orphan {
        /// The container's name.
        name: String,
        /// The process of its shim.
        pid: u32,
    },
    /// An error that several requests were answered with.
    #[error(transparent)]
    Shared(Arc<RuntimeError>),
    /// Its process does not start.
    #[error("{reason}")]
    NotStarted {
        /// As a shell has it: 127 not found, 126 not executable; 125 all else.
        code: u8,
        /// In words.
        reason: String,
    },
    /// Its shim.
    #[error(transparent)]
    Shim(#[from] ClientError),
    /// Its image, or the making of a disk.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its workload names an image by what is no digest.
    #[error("No such image: {0}")]
    NoImage(String),
    /// What its VM is to run can't be told to a shim.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// What the store is to keep of it has no form as JSON.
    #[error("what is to be kept of the container cannot be written")]
    Unwritable(#[source] serde_json::Error),
    /// What the store keeps of it is not readable.
    #[error("{}", .0.reason)]
    Document(Box<Unreadable>),
    /// A file or directory of the container.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl RuntimeError {
    /// Returns an error that several requests are answered with.
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

    /// Returns the error itself where several requests share it.
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
