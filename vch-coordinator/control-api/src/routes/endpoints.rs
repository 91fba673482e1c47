//! The handlers for endpoints (containers' connections to networks).

use super::{Api, ApiError, Body, Made, Path, Reply, answer, made, removed};
use crate::{parse, shape, view::EndpointView};
use axum::{Json, extract::State};
use vch_ledger::{Answer, Command, EndpointId};

/// Handles `POST /v1/containers/{container}/endpoints`: connects a container to a network.
///
/// # Errors
/// Returns 400 for a field that is not valid, 404 if the container or network does not exist, the ledger's refusal
/// if the endpoint is not possible, and 503 if the coordinator is stopping.
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
    let shown = show(&api, endpoint).await?;
    Ok(made(&outcome, shown))
}

async fn show(api: &Api, endpoint: EndpointId) -> Result<shape::Endpoint, ApiError> {
    let endpoint = api.requests.ledger_handle.read(move |ledger| {
        let endpoint = ledger.endpoint(endpoint)?;
        EndpointView::of(ledger, endpoint)
    });
    // Another request may have disconnected the container meanwhile.
    let endpoint = endpoint.await?.ok_or_else(ApiError::gone)?;
    Ok(endpoint.show(&api.requests.tether))
}

/// Handles `DELETE /v1/containers/{container}/endpoints/{network}`: disconnects a container from a network.
///
/// # Errors
/// Returns 404 if the container or network does not exist, the ledger's refusal if the container is not on the
/// network, and 503 if the coordinator is stopping.
pub async fn disconnect(
    State(api): State<Api>,
    Path((container, network)): Path<(String, String)>,
) -> Reply<shape::Answer<shape::Removed>> {
    let command = Command::Disconnect {
        container: container.as_str().into(),
        network: network.as_str().into(),
    };
    let outcome = api.requests.carry_out(command).await?;
    let gone = match &outcome.committed.answer {
        Answer::Disconnected { endpoint, .. } => removed(endpoint),
        // The endpoint no longer exists: the network was removed while the container was stopped.
        Answer::Forgotten { network, .. } => removed(network),
        _ => return Err(ApiError::gone()),
    };
    Ok(Json(answer(&outcome, gone)))
}

/// Handles `PUT /v1/containers/{container}/endpoints/{network}/aliases`: replaces the additional names of a
/// container on a network.
///
/// # Errors
/// Returns 400 if an alias is not a host name, 404 if the container or network does not exist, the ledger's refusal
/// if the container is not on the network, and 503 if the coordinator is stopping.
pub async fn set_aliases(
    State(api): State<Api>,
    Path((container, network)): Path<(String, String)>,
    body: Body<shape::Aliases>,
) -> Reply<shape::Answer<shape::Endpoint>> {
    let command = Command::SetAliases {
        container: container.as_str().into(),
        network: network.as_str().into(),
        aliases: parse::aliases(&body?.0)?,
    };
    let outcome = api.requests.carry_out(command).await?;
    let Answer::AliasesSet { container, network } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    let endpoint = api.requests.ledger_handle.read(move |ledger| {
        let endpoint = ledger.endpoint_of(container, network)?;
        Some(endpoint.id)
    });
    let endpoint = endpoint.await?.ok_or_else(ApiError::gone)?;
    let shown = show(&api, endpoint).await?;
    Ok(Json(answer(&outcome, shown)))
}
