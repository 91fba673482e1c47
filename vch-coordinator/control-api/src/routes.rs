//! The handlers of the API's routes: each parses a request, carries it out or reads the ledger, and returns the
//! answer. The table of routes is in [the package's documentation](crate).

pub mod changes;
pub mod containers;
pub mod endpoints;
pub mod networks;
pub mod ports;
pub mod reload;

use super::{Api, ApiError, shape};
use axum::{
    Json,
    extract::{FromRequestParts, State, rejection::JsonRejection},
    http::{Method, StatusCode, Uri, request::Parts},
};
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use vch_engine::{Outcome, Progress};
use vch_ledger::Ledger;

type Body<T> = Result<Json<T>, JsonRejection>;
type Reply<T> = Result<Json<T>, ApiError>;
type Made<T> = Result<(StatusCode, Json<shape::Answer<T>>), ApiError>;

/// The parameters in a request's path. A path that cannot be parsed is answered with 400 and a problem.
pub struct Path<T>(T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await?;
        Ok(Self(path.0))
    }
}

/// Handles `GET /v1/status`.
///
/// # Errors
/// Returns 503 if the coordinator is stopping.
pub async fn status(State(api): State<Api>) -> Reply<shape::Status> {
    let overlap = Arc::clone(&api.host.overlap);
    let seen = api.requests.ledger_handle.read(move |ledger| {
        (
            ledger.revision().0,
            (ledger.networks().len(), ledger.containers().len()),
            (ledger.endpoints().len(), ledger.bindings().count()),
            overlaps(ledger, &*overlap),
        )
    });
    let (revision, (networks, containers), (endpoints, bindings), mut warnings) = seen.await?;
    warnings.extend(api.runtime.warnings().await?);
    Ok(Json(shape::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        vch: api.vch.to_string(),
        revision,
        networks,
        containers,
        endpoints,
        bindings,
        sessions: api.requests.tether.live(),
        warnings,
        lost: api.runtime.lost().await,
        drift: api.drift.messages(),
        vms_unlimited: api.runtime.vms_unlimited(),
    }))
}

/// Returns one warning for each route of the VCH that overlaps a network and was added after it.
fn overlaps(ledger: &Ledger, overlap: &dyn Fn(&IpNet) -> Option<IpNet>) -> Vec<String> {
    let bridges = ledger.networks().filter(|network| network.is_bridge());
    let subnets = bridges.flat_map(|one| one.subnets.iter().map(|subnet| (&one.name, subnet.net)));
    let met = subnets.filter_map(|(name, net)| Some((name, net, overlap(&net)?)));
    met.map(|(name, net, route)| {
        format!(
            "the VCH's route to {route} overlaps subnet {net} of network {name}: remove the route, or move the containers to another network"
        )
    })
    .collect()
}

/// Handles a request whose path exists for other methods: answers 405.
pub async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    ApiError::no_such_method(method.as_str(), uri.path())
}

/// Handles a request whose path does not exist: answers 404.
pub async fn no_such_route(method: Method, uri: Uri) -> ApiError {
    ApiError::no_such_route(method.as_str(), uri.path())
}

fn removed(id: &impl ToString) -> shape::Removed {
    shape::Removed { id: id.to_string() }
}

fn answer<T>(outcome: &Outcome, body: T) -> shape::Answer<T> {
    shape::Answer {
        revision: outcome.committed.revision.0,
        progress: match outcome.progress {
            Progress::Done => shape::Progress::Done,
            Progress::Pending => shape::Progress::Pending,
        },
        body,
    }
}

fn made<T>(outcome: &Outcome, body: T) -> (StatusCode, Json<shape::Answer<T>>) {
    (StatusCode::CREATED, Json(answer(outcome, body)))
}
