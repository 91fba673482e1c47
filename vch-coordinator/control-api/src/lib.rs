//! The native control API, version 1: JSON over HTTP on a Unix socket that only root opens.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`shape::Status`] |
//! | `GET /v1/networks` | list of [`shape::Network`] |
//! | `POST /v1/networks` of [`shape::CreateNetwork`] | 201, [`shape::Answer`] of [`shape::Network`] |
//! | `GET /v1/networks/{network}` | [`shape::Network`] |
//! | `DELETE /v1/networks/{network}` | [`shape::Answer`] of [`shape::Removed`] |
//! | `PUT /v1/networks/{network}/dns-ttl` of [`shape::DnsTtl`] | [`shape::Answer`] of [`shape::Network`] |
//! | `GET /v1/containers` | list of [`shape::Container`] |
//! | `POST /v1/containers` of [`shape::AddContainer`] | 201, [`shape::Answer`] of [`shape::Container`] |
//! | `GET /v1/containers/{container}` | [`shape::Container`] |
//! | `DELETE /v1/containers/{container}?force=true` | [`shape::Answer`] of [`shape::Removed`] |
//! | `POST /v1/containers/{container}/endpoints` of [`shape::Connect`] | 201, [`shape::Answer`] of [`shape::Endpoint`] |
//! | `DELETE /v1/containers/{container}/endpoints/{network}` | [`shape::Answer`] of [`shape::Removed`] |
//! | `POST /v1/containers/{container}/start` | [`shape::Answer`] of [`shape::Started`] |
//! | `GET /v1/containers/{container}/wait?timeout=30` | [`shape::Container`], ready or not |
//! | `GET /v1/containers/{container}/trace` | list of [`shape::Phase`] |
//! | `POST /v1/containers/{container}/stop` | [`shape::Answer`] of [`shape::Container`] |
//! | `POST /v1/containers/{container}/rename` of [`shape::Rename`] | [`shape::Answer`] of [`shape::Container`] |
//! | `POST /v1/containers/{container}/health` of [`shape::Health`] | [`shape::Answer`] of [`shape::Container`] |
//! | `PUT /v1/containers/{container}/endpoints/{network}/aliases` of [`shape::Aliases`] | [`shape::Answer`] of [`shape::Endpoint`] |
//! | `PUT /v1/containers/{container}/rate` of [`shape::Rate`] | [`shape::Answer`] of [`shape::Container`] |
//! | `GET /v1/ports`, `GET /v1/containers/{container}/ports` | list of [`shape::Binding`] |
//! | `POST /v1/containers/{container}/ports` of [`shape::Ports`] | 201, [`shape::Answer`] of [`shape::Container`] |
//! | `DELETE /v1/containers/{container}/ports` of [`shape::Ports`] | [`shape::Answer`] of [`shape::Container`] |
//! | `POST /v1/reload` | [`shape::Answer`] of [`shape::Reloaded`] |
//! | `GET /v1/changes?from=N&follow=true` | a line for each [`shape::Transaction`] behind revision N |
//!
//! `{network}` and `{container}` are a full ID, a name, or a unique prefix of an ID. Every unsuccessful
//! answer is a [`shape::Problem`] with a stable code: 400 for an invalid request (413, 415 or 422 for a body
//! that is too long, not marked as JSON, or not of the expected form), 403 for one that is not permitted, 404,
//! 405, 409 for a conflict with another object, 410 for changes that are no longer kept, 500 if the VCH or the
//! guest could not carry out the request (which was undone), 503 while the coordinator is stopping, 507 if the
//! disk is full. Connections beyond [`MAX_CONNECTIONS`] wait.

pub mod client;
mod environment;
mod parse;
mod problem;
mod routes;
pub mod shape;
mod view;

pub use environment::{NetworkOptions, Reload};
pub use problem::ApiError;

use routes::{changes, containers, endpoints, networks, ports, reload};

use axum::{Router, extract::DefaultBodyLimit, routing};
use protocol::transport::bind_unix;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use thiserror::Error;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use vch_engine::{Drift, Requests};
use vch_http::{Head, Server, Unchanged};
use vch_ledger::VchId;
use vch_runtime::Runtime;
use vch_store::HostChecks;

/// The maximum length of a request's body in bytes: enough for a network with all labels and
/// options that are allowed.
const MAX_BODY: usize = 2 << 20;

/// The maximum length of a request's head in bytes.
const MAX_HEAD: usize = 64 << 10;
/// The maximum number of headers of a request.
const MAX_HEADERS: usize = 100;

/// The maximum number of the API's connections at once; further ones wait. A client that follows changes or waits
/// for an answer holds one.
pub const MAX_CONNECTIONS: usize = 512;

/// The state that all handlers of the API share. The coordinator makes it once, for [`router`]. Clones share the
/// same state.
#[derive(Clone)]
pub struct Api {
    /// Carries out commands about networks and containers, and reads the ledger, the stored state of both.
    pub requests: Requests,
    /// The VCH's identity, which `GET /v1/status` shows.
    pub vch: VchId,
    /// The objects of the kernel and of VMs that do not agree with the ledger at present, which `GET /v1/status`
    /// shows.
    pub drift: Drift,
    /// The containers whose VMs the coordinator starts itself: the API reads the phases of their starts and warnings
    /// about them, and has the files of removed containers deleted.
    pub runtime: Runtime,
    /// Reloads the configuration file.
    pub reload: Arc<dyn Reload>,
    /// Parses the options of a new network, and returns those of an existing one.
    pub options: Arc<dyn NetworkOptions>,
    /// The functions that tell which subnets and ports the VCH's machine uses itself. `GET /v1/status` warns about
    /// routes that overlap a network.
    pub host: HostChecks,
}

/// The API's Unix socket cannot be opened; the message has its path, the source the error of the system.
#[derive(Debug, Error)]
#[error("cannot listen on {}: set `api.socket` to a path in a folder that can be written", path.display())]
pub struct ListenError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Opens the API's Unix socket with mode 0600, so that only root can connect. A socket that a crashed coordinator
/// left is replaced; no other coordinator can run, since the store is locked.
///
/// # Errors
/// Returns [`ListenError`] if the socket or its directory cannot be made.
pub fn listen(path: &Path) -> Result<UnixListener, ListenError> {
    let bind = || {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        UnixListener::from_std(bind_unix(path, 0o600)?)
    };
    bind().map_err(|source| ListenError {
        path: path.to_owned(),
        source,
    })
}

/// Answers the requests of the clients of `listener` with `routes`, the result of [`router`], until `stop` is
/// cancelled. Requests that are under way then get one second to complete.
pub async fn serve(listener: UnixListener, routes: Router, stop: CancellationToken) {
    let head = Head {
        bytes: MAX_HEAD,
        headers: MAX_HEADERS,
        title_case: false,
    };
    let server = Server::<Unchanged>::new("native API", routes, head, MAX_CONNECTIONS, stop);
    server.serve_unix(listener).await;
}

/// Returns the HTTP router with all routes of the API. Other paths get 404, other methods 405, each as a
/// [`shape::Problem`].
pub fn router(api: Api) -> Router {
    use routing::{delete, get, post, put};
    Router::new()
        .route("/v1/status", get(routes::status))
        .route("/v1/reload", post(reload::reload))
        .route("/v1/changes", get(changes::follow_changes))
        .route("/v1/ports", get(ports::list_ports))
        .merge(of_networks())
        .merge(of_containers())
        .route(
            "/v1/containers/{container}/endpoints",
            post(endpoints::connect),
        )
        .route(
            "/v1/containers/{container}/endpoints/{network}",
            delete(endpoints::disconnect),
        )
        .route(
            "/v1/containers/{container}/endpoints/{network}/aliases",
            put(endpoints::set_aliases),
        )
        .fallback(routes::no_such_route)
        .method_not_allowed_fallback(routes::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api)
}

fn of_networks() -> Router<Api> {
    use routing::get;
    Router::new()
        .route(
            "/v1/networks",
            get(networks::list_networks).post(networks::create_network),
        )
        .route(
            "/v1/networks/{network}",
            get(networks::inspect_network).delete(networks::remove_network),
        )
        .route(
            "/v1/networks/{network}/dns-ttl",
            routing::put(networks::set_dns_ttl),
        )
}

fn of_containers() -> Router<Api> {
    use routing::{get, post};
    let at = |rest: &str| format!("/v1/containers{rest}");
    Router::new()
        .route(
            &at(""),
            get(containers::list_containers).post(containers::add_container),
        )
        .route(
            &at("/{container}"),
            get(containers::inspect_container).delete(containers::remove_container),
        )
        .route(&at("/{container}/start"), post(containers::start_container))
        .route(&at("/{container}/stop"), post(containers::stop_container))
        .route(&at("/{container}/wait"), get(containers::wait_container))
        .route(&at("/{container}/trace"), get(containers::trace_container))
        .route(
            &at("/{container}/rename"),
            post(containers::rename_container),
        )
        .route(&at("/{container}/health"), post(containers::set_health))
        .route(&at("/{container}/rate"), routing::put(containers::set_rate))
        .route(
            &at("/{container}/ports"),
            get(ports::list_ports_of)
                .post(ports::publish_ports)
                .delete(ports::unpublish_ports),
        )
}
