//! The Docker Engine API, versions 1.24 to 1.51, so that the docker CLI and other Docker clients can use a VCH. It
//! is a second interface beside the native API (`control-api`). All data that it shows come from the ledger (the
//! stored networks, containers and addresses) and the images; only recent events and execs are kept in memory.
//!
//! ```text
//!   docker CLI ──TLS or Unix socket──► server ──► version (off the path) ──► router ──► handlers
//!                                                                              │ parse, pure
//!        events ◄── ledger's changes, Runtime's events              Requests, Runtime
//! ```
//!
//! Each handler takes its request's [`docker_model::Version`]. Errors are [`DockerError`]s with dockerd's messages.
//! The module `unsupported` refuses features that a VCH lacks, by name.

mod containers;
pub mod events;
mod execs;
mod extract;
mod images;
mod lifecycle;
mod networks;
mod preflight;
mod raw;
pub mod server;
mod streams;
mod system;
mod unsupported;
mod volumes;

pub use events::Events;
pub use execs::Execs;
pub use extract::{Json, Parameters, Path};
pub use system::Machine;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::Method,
    middleware,
    response::{IntoResponse, Response},
    routing,
};
use docker_model::DockerError;
use std::{convert::Infallible, sync::Arc};
use tower::ServiceExt;
use vch_engine::Requests;
use vch_ledger::VchId;
use vch_runtime::{Runtime, Tasks};

/// The maximum length in bytes of a body that is not JSON and that a handler reads completely.
/// Handlers of images, whose bodies are streams, have their own limits.
const MAX_BODY: usize = 64 << 10;

/// The state that all handlers of the API share. The coordinator makes it once, for [`router`] and [`follow`].
/// Clones share the same state.
#[derive(Clone)]
pub struct Docker {
    /// Carries out commands about networks and containers, and reads the ledger, the stored state of both.
    pub requests: Requests,
    /// Creates, starts, stops and removes containers.
    pub runtime: Runtime,
    /// The stored images.
    pub images: vch_image_store::Store,
    /// The processes that `docker exec` added to containers since the coordinator's start.
    pub execs: Execs,
    /// The VCH's identity, which `docker info` shows.
    pub vch: VchId,
    /// The machine that the VCH runs on, for `docker info` and `docker version`.
    pub machine: Arc<Machine>,
    /// The events that `docker events` shows.
    pub events: Events,
    /// The tasks that outlive their requests: connections that became raw streams, and processes of execs whose end
    /// is awaited. When the coordinator stops, it cancels them and waits for their end.
    pub tasks: Tasks,
}

/// Returns the HTTP router of the API: it has each route with and without a version in its path (`/v1.41/info`,
/// `/info`). Other paths get dockerd's 404.
pub fn router(docker: Docker) -> Router {
    let routes = Router::new()
        .route("/_ping", routing::get(system::ping))
        .route("/version", routing::get(system::version))
        .route("/info", routing::get(system::info))
        .merge(containers::routes())
        .merge(images::routes())
        .merge(lifecycle::routes())
        .merge(streams::routes())
        .merge(execs::routes())
        .merge(events::routes())
        .merge(networks::routes())
        .merge(unsupported::routes())
        .merge(volumes::routes())
        .fallback(async || DockerError::page_not_found())
        .method_not_allowed_fallback(async || DockerError::page_not_found())
        .route_layer(middleware::from_fn_with_state(
            preflight::Room::default(),
            preflight::checked,
        ))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::map_response(system::with_headers))
        .with_state(docker);
    // This is outside of the router, since a router chooses the route by the path that it receives.
    Router::new().fallback(move |request: Request| answer(routes.clone(), request))
}

/// Records the events that `docker events` shows, until the coordinator stops: turns changes of networks in the ledger
/// and events of the runtime about containers into entries of `docker.events`. The coordinator runs one call of it,
/// beside the router.
pub async fn follow(docker: Docker) {
    events::follow(docker.events, docker.requests.ledger_handle, docker.runtime).await;
}

async fn answer(routes: Router, request: Request) -> Response {
    let raw = request.method() == Method::CONNECT;
    let response = match preflight::addressed(request) {
        Ok(request) => {
            let answered: Result<Response, Infallible> = routes.oneshot(request).await;
            match answered {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
        Err(error) => system::with_headers(error.into_response()).await,
    };
    if raw {
        preflight::raw(response)
    } else {
        response
    }
}

#[cfg(test)]
mod tests;
