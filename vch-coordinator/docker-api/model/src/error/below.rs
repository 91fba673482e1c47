//! Converts errors of the lower packages to dockerd's messages and statuses.

use super::DockerError;
use axum::http::StatusCode;
use vch_image_store::{
    ImageError,
    subprocess::{Failure, HelperError},
};
use vch_runtime::RuntimeError;

impl From<ImageError> for DockerError {
    fn from(error: ImageError) -> Self {
        let message = vch_log::error_chain(&error).to_string();
        match error {
            ImageError::Unknown(_) => Self::not_found(message),
            ImageError::Conflict(_) => Self::conflict(message),
            ImageError::Ambiguous(_)
            | ImageError::Name(_)
            | ImageError::DigestTag
            | ImageError::Change(_)
            | ImageError::DigestMismatch(_) => Self::invalid(message),
            ImageError::Helper(HelperError::Refused { failure, .. }) => match failure {
                Failure::Content => Self::invalid(message),
                Failure::Missing => Self::not_found(message),
                Failure::Denied => Self::new(StatusCode::UNAUTHORIZED, message),
                Failure::Registry | Failure::Own => Self::failed(message),
            },
            ImageError::Helper(_)
            | ImageError::File { .. }
            | ImageError::Index { .. }
            | ImageError::WritableLayer(_)
            | ImageError::Missing(_)
            | ImageError::Room { .. }
            | ImageError::Ending => Self::failed(message),
        }
    }
}

impl From<RuntimeError> for DockerError {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Request(error) => error.into(),
            RuntimeError::NotOurs(name) => Self::not_found(format!("No such container: {name}")),
            RuntimeError::NotRunning(id) => {
                Self::conflict(format!("container {id} is not running"))
            }
            RuntimeError::Running { name, state } => Self::conflict(format!(
                "cannot remove container \"/{name}\": container is {state}: stop the container before removing or force remove"
            )),
            error @ RuntimeError::Orphan { .. } => Self::conflict(error.to_string()),
            RuntimeError::Removing(id) => {
                Self::conflict(format!("removal of container {id} is already in progress"))
            }
            // dockerd reports its runtime's message about a program, and its own message in all
            // other cases.
            RuntimeError::NotStarted {
                code: 126 | 127,
                reason,
            } => Self::invalid(format!(
                "failed to create task for container: failed to create shim task: VM runtime create failed: unable to start container process: {reason}: unknown"
            )),
            RuntimeError::NotStarted { reason, .. } => Self::failed(reason),
            other => Self::failed(vch_log::error_chain(&other).to_string()),
        }
    }
}
