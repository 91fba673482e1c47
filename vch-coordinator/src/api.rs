//! The native control API, version 1: JSON over HTTP on a Unix socket that only root opens.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`shape::Status`] |
//! | `GET /v1/networks` | list of [`shape::Network`] |
//! | `POST /v1/networks` of [`shape::CreateNetwork`] | 201, [`shape::Answer`] of [`shape::Network`] |
//! | `GET /v1/networks/{network}` | [`shape::Network`] |
//! | `DELETE /v1/networks/{network}` | [`shape::Answer`] of [`shape::Removed`] |
//! | `GET /v1/containers` | list of [`shape::Container`] |
//! | `POST /v1/containers` of [`shape::AddContainer`] | 201, [`shape::Answer`] of [`shape::Container`] |
//! | `GET /v1/containers/{container}` | [`shape::Container`] |
//! | `DELETE /v1/containers/{container}?force=true` | [`shape::Answer`] of [`shape::Removed`] |
//! | `POST /v1/containers/{container}/endpoints` of [`shape::Connect`] | 201, [`shape::Answer`] of [`shape::Endpoint`] |
//! | `DELETE /v1/containers/{container}/endpoints/{network}` | [`shape::Answer`] of [`shape::Removed`] |
//! | `POST /v1/containers/{container}/start` | [`shape::Answer`] of [`shape::Started`] |
//! | `GET /v1/containers/{container}/wait?timeout=30` | [`shape::Container`], ready or not |
//!
//! `{network}` and `{container}` are a full ID, a name or a unique beginning of an ID. Whatever is
//! no success answers [`shape::Problem`] with a stable code: 400 for what can't be, 403 for what
//! must not be, 404, 405, 409 for what another object forbids, 500 for an effect that failed (the
//! request was undone), 503 while the coordinator stops.

pub mod client;
mod parse;
mod problem;
mod routes;
pub mod shape;
mod view;

pub use problem::ApiError;

use crate::{requests::Requests, settling::Unsettled};
use axum::{Router, extract::DefaultBodyLimit, routing};
use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use thiserror::Error;
use tokio::net::UnixListener;
use vch_ledger::VchId;

/// Most bytes of a request's body: a network's labels and options at their bounds fit.
const MAX_BODY: usize = 2 << 20;

/// What the handlers work with.
#[derive(Clone)]
pub struct Api {
    /// Carries commands out, and looks at the ledger.
    pub requests: Requests,
    /// Who the VCH is.
    pub vch: VchId,
    /// What does not agree with the ledger at present.
    pub unsettled: Unsettled,
}

/// Why the API does not listen.
#[derive(Debug, Error)]
#[error("cannot listen on {}: set `api.socket` to a path in a folder that can be written", path.display())]
pub struct ListenError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Binds the API's socket, mode 0600. A socket that a dead coordinator left is replaced: the
/// store's lock has shown that it is dead.
pub fn listen(path: &Path) -> Result<UnixListener, ListenError> {
    let bind = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    bind().map_err(|source| ListenError {
        path: path.to_owned(),
        source,
    })
}

/// All routes.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/status", routing::get(routes::status))
        .route(
            "/v1/networks",
            routing::get(routes::list_networks).post(routes::create_network),
        )
        .route(
            "/v1/networks/{network}",
            routing::get(routes::inspect_network).delete(routes::remove_network),
        )
        .route(
            "/v1/containers",
            routing::get(routes::list_containers).post(routes::add_container),
        )
        .route(
            "/v1/containers/{container}",
            routing::get(routes::inspect_container).delete(routes::remove_container),
        )
        .route(
            "/v1/containers/{container}/endpoints",
            routing::post(routes::connect),
        )
        .route(
            "/v1/containers/{container}/endpoints/{network}",
            routing::delete(routes::disconnect),
        )
        .route(
            "/v1/containers/{container}/start",
            routing::post(routes::start_container),
        )
        .route(
            "/v1/containers/{container}/wait",
            routing::get(routes::wait_container),
        )
        .fallback(routes::no_such_route)
        .method_not_allowed_fallback(routes::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api)
}
