//! The handlers for containers: add, list, inspect, start, stop, rename, remove, and wait for readiness.

use super::{Api, ApiError, Body, Made, Path, Reply, answer, made, removed};
use crate::{parse, shape, view::ContainerRows};
use axum::{
    Json,
    body::Bytes,
    extract::{
        Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
};
use serde::Deserialize;
use std::time::Duration;
use vch_ledger::{Answer, Command, ContainerId, ContainerRef, NetworkRef, Refusal};
use vch_network::tether::Readiness;

/// The maximum time that a client may wait for readiness, in seconds.
const MAX_WAIT: u32 = 600;

/// Handles `GET /v1/containers`.
///
/// # Errors
/// Returns 503 if the coordinator is stopping.
pub async fn list_containers(State(api): State<Api>) -> Reply<Vec<shape::Container>> {
    let all = api.requests.ledger_handle.read(|ledger| {
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

/// Handles `GET /v1/containers/{container}`.
///
/// # Errors
/// Returns 404 if the container does not exist, and 503 if the coordinator is stopping.
pub async fn inspect_container(
    State(api): State<Api>,
    Path(container): Path<String>,
) -> Reply<shape::Container> {
    let rows = look_at_container(&api, container.as_str().into()).await?;
    Ok(Json(rows.show(&api.requests.tether)))
}

async fn look_at_container(api: &Api, container: ContainerRef) -> Result<ContainerRows, ApiError> {
    let rows = api.requests.ledger_handle.read(move |ledger| {
        let container = ledger.container(&container)?;
        Ok::<_, Refusal>(ContainerRows::of(ledger, container))
    });
    Ok(rows.await??)
}

/// Handles `POST /v1/containers`: adds a container that is on no network yet.
///
/// # Errors
/// Returns 400 for a field that is not valid, 409 if the name is taken, and 503 if the coordinator is stopping.
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

/// The query parameters of `DELETE /v1/containers/{container}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// Whether to remove a container that is connected to networks, too.
    #[serde(default)]
    force: bool,
}

/// Handles `DELETE /v1/containers/{container}`.
///
/// # Errors
/// Returns 404 if the container does not exist, 409 if it is in use and `force` is not set, and 503 if the
/// coordinator is stopping.
pub async fn remove_container(
    State(api): State<Api>,
    Path(container): Path<String>,
    query: Result<Query<Removal>, QueryRejection>,
) -> Reply<shape::Answer<shape::Removed>> {
    let command = Command::RemoveContainer {
        container: container.as_str().into(),
        force: query?.force,
    };
    let outcome = api.requests.carry_out(command).await?;
    let Answer::ContainerRemoved { container, .. } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    api.runtime.discard_removed(container).await;
    Ok(Json(answer(&outcome, removed(&container))))
}

/// Handles `POST /v1/containers/{container}/start`: begins a new run of a container in the ledger, which puts its
/// names and ports in force. The program that runs the VM starts it afterwards. The request's body is ignored but
/// read: otherwise the server could not keep the connection, and a client that is still sending the body would
/// fail.
///
/// # Errors
/// Returns 404 if the container does not exist, the ledger's refusal if it cannot start, and 503 if the coordinator
/// is stopping.
pub async fn start_container(
    State(api): State<Api>,
    Path(container): Path<String>,
    _body: Result<Bytes, BytesRejection>,
) -> Reply<shape::Answer<shape::Started>> {
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

/// The query parameters of `GET /v1/containers/{container}/wait`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// How long to wait, in seconds, at most 600; 0 answers at once.
    #[serde(default)]
    timeout: u32,
}

/// Handles `GET /v1/containers/{container}/wait`: waits until the container's agent has reported that the network
/// is configured or that it failed, or until the time is over, and then shows the container.
///
/// # Errors
/// Returns 400 if the time is too long, 404 if the container does not exist, and 503 if the coordinator is
/// stopping.
pub async fn wait_container(
    State(api): State<Api>,
    Path(container): Path<String>,
    query: Result<Query<Waiting>, QueryRejection>,
) -> Reply<shape::Container> {
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
    // Ready or not, the present state is the answer.
    let _ = tokio::time::timeout(Duration::from_secs(seconds.into()), ready).await;
    let rows = look_at_container(&api, id.into()).await?;
    Ok(Json(rows.show(&api.requests.tether)))
}

/// Waits until the newest spec is reported as ready or failed, or until the container is removed.
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

/// Handles `GET /v1/containers/{container}/trace`: returns the phases of the container's last start with their
/// times.
///
/// # Errors
/// Returns 404 if the container does not exist, and 503 if the coordinator is stopping.
pub async fn trace_container(
    State(api): State<Api>,
    Path(container): Path<String>,
) -> Reply<Vec<shape::Phase>> {
    let id = look_at_container(&api, container.as_str().into())
        .await?
        .container
        .id;
    let phases = api.runtime.trace(id).await?.into_iter();
    let shown = phases.map(|phase| shape::Phase {
        name: phase.name,
        at_us: phase.at_us,
        uptime_us: phase.uptime_us,
    });
    Ok(Json(shown.collect()))
}

/// Handles `POST /v1/containers/{container}/stop`: ends a container's run in the ledger. The request's body is
/// ignored, as for a start.
///
/// # Errors
/// Returns 404 if the container does not exist, the ledger's refusal if it cannot be stopped, and 503 if the
/// coordinator is stopping.
pub async fn stop_container(
    State(api): State<Api>,
    Path(container): Path<String>,
    _body: Result<Bytes, BytesRejection>,
) -> Reply<shape::Answer<shape::Container>> {
    let command = Command::StopContainer(container.as_str().into());
    carry_out(&api, command).await
}

/// Handles `POST /v1/containers/{container}/rename`.
///
/// # Errors
/// Returns 400 if the name is not valid, 404 if the container does not exist, 409 if the name is taken, and 503 if
/// the coordinator is stopping.
pub async fn rename_container(
    State(api): State<Api>,
    Path(container): Path<String>,
    body: Body<shape::Rename>,
) -> Reply<shape::Answer<shape::Container>> {
    let command = Command::RenameContainer {
        container: container.as_str().into(),
        name: parse::rename(&body?.0)?,
    };
    carry_out(&api, command).await
}

/// Handles `POST /v1/containers/{container}/health`: stores the result of the container's health check.
///
/// # Errors
/// Returns 404 if the container does not exist, and 503 if the coordinator is stopping.
pub async fn set_health(
    State(api): State<Api>,
    Path(container): Path<String>,
    body: Body<shape::Health>,
) -> Reply<shape::Answer<shape::Container>> {
    let command = Command::SetHealth {
        container: container.as_str().into(),
        unhealthy: !body?.0.healthy,
    };
    carry_out(&api, command).await
}

/// Handles `PUT /v1/containers/{container}/rate`: limits the traffic of one endpoint of a container, or of all of
/// them in one transaction.
///
/// # Errors
/// Returns 400 if the rate is not valid, 404 if the container or network does not exist, the ledger's refusal if
/// the container is not on the network, and 503 if the coordinator is stopping.
pub async fn set_rate(
    State(api): State<Api>,
    Path(container): Path<String>,
    body: Body<shape::Rate>,
) -> Reply<shape::Answer<shape::Container>> {
    let body = body?.0;
    let rate = parse::rate(&body)?;
    let rows = look_at_container(&api, container.as_str().into()).await?;
    let id = rows.container.id;
    let networks: Vec<NetworkRef> = match &body.network {
        Some(network) => vec![network.as_str().into()],
        None => {
            let endpoints = rows.endpoints.iter();
            endpoints.map(|one| one.endpoint.network.into()).collect()
        }
    };
    if networks.is_empty() {
        let remedy = "it is on no network: connect it to one first";
        return Err(ApiError::invalid("container", &container, remedy));
    }
    let commands = networks.into_iter().map(|network| Command::SetRate {
        container: id.into(),
        network,
        rate,
    });
    let command = Command::Batch(commands.collect());
    let outcome = api.requests.carry_out(command).await?;
    let rows = look_at_container(&api, id.into()).await?;
    Ok(Json(answer(&outcome, rows.show(&api.requests.tether))))
}

/// Carries out a command that changes a container, and returns the container's new state.
async fn carry_out(api: &Api, command: Command) -> Reply<shape::Answer<shape::Container>> {
    let outcome = api.requests.carry_out(command).await?;
    let (Answer::Stopped { container }
    | Answer::Renamed { container }
    | Answer::HealthSet { container }) = outcome.committed.answer
    else {
        return Err(ApiError::gone());
    };
    let rows = look_at_container(api, container.into()).await?;
    Ok(Json(answer(&outcome, rows.show(&api.requests.tether))))
}
