//! Errors of the API: an HTTP status and a [`Problem`].

use super::shape::Problem;
use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use std::error::Error;
use vch_engine::RequestError;
use vch_ledger::{Refusal, RefusalKind};
use vch_log::error_chain;
use vch_runtime::RuntimeError;
use vch_store::{ChangesError, WriterError};

/// An unsuccessful answer of the API: an HTTP status and a [`Problem`], which tells programs a code and people what
/// to do.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    problem: Problem,
}

impl ApiError {
    fn new(status: StatusCode, code: &str, message: String) -> Self {
        Self {
            status,
            problem: Problem {
                code: code.to_owned(),
                message,
            },
        }
    }

    /// Returns the error with status 400 and code `invalid-field`: the field `field` of the request has the value
    /// `value`, which is not valid. The message names the field, the value's first 200 characters and `remedy`, which
    /// says what to write instead.
    pub fn invalid(field: &str, value: &str, remedy: &str) -> Self {
        // The length of the shown value is limited.
        let shown: String = value.chars().take(200).collect();
        let message = format!("field `{field}` cannot be `{shown}`: {remedy}");
        Self::new(StatusCode::BAD_REQUEST, "invalid-field", message)
    }

    /// Returns the error with status 409 and code `removed-meanwhile`: the request was carried out, and another
    /// request removed its object before it could be shown.
    pub fn gone() -> Self {
        let message = "it was removed by another request in the same moment: ask again";
        Self::new(
            StatusCode::CONFLICT,
            "removed-meanwhile",
            message.to_owned(),
        )
    }

    /// Returns the error with status 400 and code `configuration-refused`: the configuration file cannot be
    /// applied. The message has the error and its sources.
    pub fn configuration(error: &(dyn Error + 'static)) -> Self {
        let message = error_chain(error);
        Self::new(StatusCode::BAD_REQUEST, "configuration-refused", message)
    }

    /// Returns the error with status 404 and code `no-such-route`: the API does not have the path `path`. The message
    /// names the method and at most 200 characters of the path.
    pub fn no_such_route(method: &str, path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let message = format!(
            "{method} {path} is not part of this API: see GET /v1/status and the documentation of `control_api`"
        );
        Self::new(StatusCode::NOT_FOUND, "no-such-route", message)
    }

    /// Returns the error with status 405 and code `no-such-method`: the API has the path `path`, but not for the HTTP
    /// method `method`.
    pub fn no_such_method(method: &str, path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let message =
            format!("{path} does not take {method}: see the documentation of `control_api`");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", message)
    }
}

impl ApiError {
    /// Returns the body of the answer, without its HTTP status.
    pub fn problem(self) -> Problem {
        self.problem
    }
}

impl From<ChangesError> for ApiError {
    fn from(error: ChangesError) -> Self {
        let (status, code) = match error {
            ChangesError::Compacted { .. } => (StatusCode::GONE, "changes-compacted"),
            ChangesError::Ahead { .. } => (StatusCode::BAD_REQUEST, "revision-ahead"),
            ChangesError::Lagged { .. } => (StatusCode::SERVICE_UNAVAILABLE, "too-slow"),
            ChangesError::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store-failed"),
            ChangesError::Ended(error) => return error.into(),
        };
        Self::new(status, code, error_chain(&error))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.problem)).into_response()
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind() {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict | RefusalKind::Exhausted => StatusCode::CONFLICT,
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        };
        Self::new(status, refusal.code(), refusal.to_string())
    }
}

impl From<RuntimeError> for ApiError {
    fn from(error: RuntimeError) -> Self {
        let (status, code) = match error.own() {
            RuntimeError::Request(error) => return error.clone().into(),
            RuntimeError::Shared(_) => (StatusCode::INTERNAL_SERVER_ERROR, "runtime"),
            RuntimeError::Removing(_) => (StatusCode::CONFLICT, "removing"),
            RuntimeError::Orphan { .. } => (StatusCode::CONFLICT, "orphan"),
            RuntimeError::Unkillable(_) => (StatusCode::INTERNAL_SERVER_ERROR, "unkillable"),
            RuntimeError::Disabled => (StatusCode::CONFLICT, "no-runtime"),
            RuntimeError::NotOurs(_) => (StatusCode::CONFLICT, "run-by-others"),
            RuntimeError::NotRunning(_) => (StatusCode::CONFLICT, "not-running"),
            RuntimeError::Running { .. } => (StatusCode::CONFLICT, "running"),
            RuntimeError::NotStarted { .. } | RuntimeError::Launch(_) => {
                (StatusCode::BAD_REQUEST, "not-started")
            }
            RuntimeError::Shim(_) => (StatusCode::INTERNAL_SERVER_ERROR, "shim"),
            RuntimeError::Image(_) | RuntimeError::NoImage(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "disk")
            }
            RuntimeError::Unwritable(_) | RuntimeError::Document(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "document")
            }
            RuntimeError::File { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "file"),
        };
        Self::new(status, code, error_chain(&error))
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        let message = error_chain(&error);
        match error {
            RequestError::Refused(refusal) => refusal.into(),
            RequestError::Effect { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "effect-failed", message)
            }
            RequestError::Guest { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "guest-refused", message)
            }
            RequestError::NotKept(error) => error.into(),
        }
    }
}

impl From<WriterError> for ApiError {
    fn from(error: WriterError) -> Self {
        let (status, code) = match error {
            WriterError::Ended => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            WriterError::Full => (StatusCode::INSUFFICIENT_STORAGE, "disk-full"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let status = rejection.status();
        Self::new(status, "invalid-body", rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-path",
            rejection.body_text(),
        )
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-query",
            rejection.body_text(),
        )
    }
}
