//! The Docker Engine API, a face over the same ledger: what it shows comes from the ledger's rows, the
//! containers' documents and the images alone; it keeps no truth of its own.
//!
//! ```text
//!   docker CLI ──TLS or Unix socket──► server ──► version (off the path) ──► router ──► handlers
//!                                                                              │ parse, pure
//!        events ◄── ledger's changes, Runtime's events              Requests, Runtime
//! ```
//!
//! Versions 1.24 to 1.51; each handler asks for its request's [`docker_model::Version`]. Errors are [`DockerError`]s
//! in dockerd's words. What a VCH does not have is refused by `unsupported`, by name.

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

/// Most bytes of a body that a handler takes whole and that is no JSON. Handlers of images, whose bodies are
/// streams, bound them themselves.
const MAX_BODY: usize = 64 << 10;

/// What the handlers work with.
#[derive(Clone)]
pub struct Docker {
    /// Carries commands out, and looks at the ledger.
    pub requests: Requests,
    /// Starts and changes containers.
    pub runtime: Runtime,
    /// What containers are made of.
    pub images: vch_image_store::Store,
    /// Processes beside containers' own.
    pub execs: Execs,
    /// Who the VCH is.
    pub vch: VchId,
    /// What it runs on.
    pub machine: Arc<Machine>,
    /// What happens on it.
    pub events: Events,
    /// What goes on beside the requests: connections that were taken over, and processes that are followed.
    pub tasks: Tasks,
}

/// All routes, each with and without a version before it.
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
    // Outside of the routes: a router chooses by the path that it finds.
    Router::new().fallback(move |request: Request| answer(routes.clone(), request))
}

/// What goes on beside the requests, until the coordinator stops.
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
