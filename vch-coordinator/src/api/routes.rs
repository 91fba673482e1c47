//! One function a route: parse, carry out or look, show.

use super::{
    Api, ApiError, parse, shape,
    view::{self, ContainerRows, PlaceRow},
};
use crate::{
    effects::tether::Readiness,
    requests::{Outcome, Progress},
};
use axum::{
    Json,
    body::Bytes,
    extract::{
        FromRequestParts, Query, State,
        rejection::{BytesRejection, JsonRejection, QueryRejection},
    },
    http::{Method, StatusCode, Uri, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::time::Duration;
use vch_ledger::{Answer, Command, ContainerId, ContainerRef, NetworkRef, Refusal};

type Body<T> = Result<Json<T>, JsonRejection>;
type Shown<T> = Result<Json<T>, ApiError>;
type Made<T> = Result<(StatusCode, Json<shape::Answer<T>>), ApiError>;

/// The names in a request's path; what can't be read is a problem like any other.
pub struct Path<T>(T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await?;
        Ok(Self(path.0))
    }
}

/// Longest that a client may wait for readiness, in seconds.
const MAX_WAIT: u32 = 600;

pub async fn status(State(api): State<Api>) -> Shown<shape::Status> {
    let counts = api.requests.keeper.read(|ledger| {
        (
            ledger.revision().0,
            ledger.networks().len(),
            ledger.containers().len(),
            ledger.endpoints().len(),
        )
    });
    let (revision, networks, containers, endpoints) = counts.await?;
    Ok(Json(shape::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        vch: api.vch.to_string(),
        revision,
        networks,
        containers,
        endpoints,
        sessions: api.requests.tether.live(),
        unsettled: api.unsettled.words(),
    }))
}

pub async fn list_networks(State(api): State<Api>) -> Shown<Vec<shape::Network>> {
    let all = api.requests.keeper.read(|ledger| {
        let mut all: Vec<_> = ledger
            .networks()
            .map(|n| view::network(ledger, n))
            .collect();
        all.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        all
    });
    Ok(Json(
        all.await?
            .into_iter()
            .map(|rows| show_network(&api, rows))
            .collect(),
    ))
}

pub async fn inspect_network(
    State(api): State<Api>,
    Path(network): Path<String>,
) -> Shown<shape::Network> {
    Ok(Json(look_at_network(&api, network.as_str().into()).await?))
}

async fn look_at_network(api: &Api, network: NetworkRef) -> Result<shape::Network, ApiError> {
    let rows = api.requests.keeper.read(move |ledger| {
        let network = ledger.network(&network)?;
        Ok::<_, Refusal>(view::network(ledger, network))
    });
    Ok(show_network(api, rows.await??))
}

fn show_network(
    api: &Api,
    (mut network, places): (shape::Network, Vec<PlaceRow>),
) -> shape::Network {
    network.endpoints = places
        .iter()
        .map(|place| {
            (
                place.container.name.to_string(),
                place.show(&api.requests.tether),
            )
        })
        .collect();
    network
}

pub async fn create_network(
    State(api): State<Api>,
    body: Body<shape::CreateNetwork>,
) -> Made<shape::Network> {
    let command = Command::CreateNetwork(parse::create_network(body?.0)?);
    let outcome = api.requests.carry_out(command).await?;
    let Answer::NetworkCreated { network, .. } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    let body = look_at_network(&api, network.into()).await?;
    Ok(made(&outcome, body))
}

pub async fn remove_network(
    State(api): State<Api>,
    Path(network): Path<String>,
) -> Shown<shape::Answer<shape::Removed>> {
    let command = Command::RemoveNetwork(network.as_str().into());
    let outcome = api.requests.carry_out(command).await?;
    let Answer::NetworkRemoved { network } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    Ok(Json(answer(&outcome, removed(&network))))
}

pub async fn list_containers(State(api): State<Api>) -> Shown<Vec<shape::Container>> {
    let all = api.requests.keeper.read(|ledger| {
        let rows = ledger
            .containers()
            .map(|one| ContainerRows::of(ledger, one));
        let mut all: Vec<_> = rows.collect();
        all.sort_by(|one, other| one.container.name.cmp(&other.container.name));
        all
    });
    let tether = &api.requests.tether;
    Ok(Json(
        all.await?.iter().map(|rows| rows.show(tether)).collect(),
    ))
}

pub async fn inspect_container(
    State(api): State<Api>,
    Path(container): Path<String>,
) -> Shown<shape::Container> {
    let rows = look_at_container(&api, container.as_str().into()).await?;
    Ok(Json(rows.show(&api.requests.tether)))
}

async fn look_at_container(api: &Api, container: ContainerRef) -> Result<ContainerRows, ApiError> {
    let rows = api.requests.keeper.read(move |ledger| {
        let container = ledger.container(&container)?;
        Ok::<_, Refusal>(ContainerRows::of(ledger, container))
    });
    Ok(rows.await??)
}

pub async fn add_container(
    State(api): State<Api>,
    body: Body<shape::AddContainer>,
) -> Made<shape::Container> {
    let command = Command::AddContainer(parse::add_container(&body?.0)?);
    let outcome = api.requests.carry_out(command).await?;
    let Answer::ContainerAdded { container } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    let rows = look_at_container(&api, container.into()).await?;
    Ok(made(&outcome, rows.show(&api.requests.tether)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    #[serde(default)]
    force: bool,
}

pub async fn remove_container(
    State(api): State<Api>,
    Path(container): Path<String>,
    query: Result<Query<Removal>, QueryRejection>,
) -> Shown<shape::Answer<shape::Removed>> {
    let command = Command::RemoveContainer {
        container: container.as_str().into(),
        force: query?.force,
    };
    let outcome = api.requests.carry_out(command).await?;
    let Answer::ContainerRemoved { container, .. } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    Ok(Json(answer(&outcome, removed(&container))))
}

pub async fn connect(
    State(api): State<Api>,
    Path(container): Path<String>,
    body: Body<shape::Connect>,
) -> Made<shape::Endpoint> {
    let command = Command::Connect(parse::connect(&container, &body?.0)?);
    let outcome = api.requests.carry_out(command).await?;
    let Answer::Connected { endpoint, .. } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    let place = api.requests.keeper.read(move |ledger| {
        let endpoint = ledger.endpoint(endpoint)?;
        PlaceRow::of(ledger, endpoint)
    });
    // Somebody else may have disconnected it in the same moment.
    let place = place.await?.ok_or_else(ApiError::gone)?;
    Ok(made(&outcome, place.show(&api.requests.tether)))
}

pub async fn disconnect(
    State(api): State<Api>,
    Path((container, network)): Path<(String, String)>,
) -> Shown<shape::Answer<shape::Removed>> {
    let command = Command::Disconnect {
        container: container.as_str().into(),
        network: network.as_str().into(),
    };
    let outcome = api.requests.carry_out(command).await?;
    let Answer::Disconnected { endpoint, .. } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    Ok(Json(answer(&outcome, removed(&endpoint))))
}

/// A body says nothing here, but it is taken: of a request that is answered before its body has
/// come the server can't keep the connection, and a client that still sends it fails.
pub async fn start_container(
    State(api): State<Api>,
    Path(container): Path<String>,
    _body: Result<Bytes, BytesRejection>,
) -> Shown<shape::Answer<shape::Started>> {
    let command = Command::StartContainer(container.as_str().into());
    let outcome = api.requests.carry_out(command).await?;
    let Answer::Started {
        container,
        incarnation,
        ..
    } = outcome.committed.answer
    else {
        return Err(ApiError::gone());
    };
    let rows = look_at_container(&api, container.into()).await?;
    let shown = rows.show(&api.requests.tether);
    let started = shape::Started {
        id: shown.id,
        incarnation: incarnation.to_string(),
        channel: shown.channel,
        endpoints: shown.endpoints.into_values().collect(),
    };
    Ok(Json(answer(&outcome, started)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// Seconds.
    #[serde(default)]
    timeout: u32,
}

pub async fn wait_container(
    State(api): State<Api>,
    Path(container): Path<String>,
    query: Result<Query<Waiting>, QueryRejection>,
) -> Shown<shape::Container> {
    let seconds = query?.timeout;
    if seconds > MAX_WAIT {
        let remedy = format!("use 0 to {MAX_WAIT} seconds");
        return Err(ApiError::invalid("timeout", &seconds.to_string(), &remedy));
    }
    let id = look_at_container(&api, container.as_str().into())
        .await?
        .container
        .id;
    let ready = wait_until_ready(&api, id);
    // Ready or not, what is known then is the answer.
    let _ = tokio::time::timeout(Duration::from_secs(seconds.into()), ready).await;
    let rows = look_at_container(&api, id.into()).await?;
    Ok(Json(rows.show(&api.requests.tether)))
}

/// Ends when the newest spec is reported ready or failed, or when the container is gone.
async fn wait_until_ready(api: &Api, id: ContainerId) -> Result<(), ApiError> {
    let Some(mut state) = api.requests.tether.state(id) else {
        return Ok(());
    };
    loop {
        let spec = look_at_container(api, id.into()).await?.container.spec_id();
        let readiness = spec.map(|spec| state.borrow_and_update().readiness(spec));
        if !matches!(readiness, None | Some(Readiness::Pending)) {
            return Ok(());
        }
        if state.changed().await.is_err() {
            return Ok(());
        }
    }
}

pub async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    ApiError::no_such_method(method.as_str(), uri.path())
}

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
            Progress::Done => "done",
            Progress::Pending => "pending",
        }
        .to_owned(),
        body,
    }
}

fn made<T>(outcome: &Outcome, body: T) -> (StatusCode, Json<shape::Answer<T>>) {
    (StatusCode::CREATED, Json(answer(outcome, body)))
}
