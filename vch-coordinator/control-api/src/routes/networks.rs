//! The handlers for networks: create, list, inspect, change, remove.

use super::{Api, ApiError, Body, Made, Path, Reply, answer, made, removed};
use crate::{
    parse, shape,
    view::{self, NetworkView},
};
use axum::{Json, extract::State};
use vch_ledger::{Answer, Command, NetworkRef, Refusal};

/// Handles `GET /v1/networks`.
///
/// # Errors
/// Returns 503 if the coordinator is stopping.
pub async fn list_networks(State(api): State<Api>) -> Reply<Vec<shape::Network>> {
    let all = api.requests.ledger_handle.read(|ledger| {
        let mut all: Vec<_> = ledger
            .networks()
            .map(|n| view::network(ledger, n))
            .collect();
        all.sort_by(|one, other| one.row.name.cmp(&other.row.name));
        all
    });
    Ok(Json(
        all.await?
            .into_iter()
            .map(|rows| show_network(&api, rows))
            .collect(),
    ))
}

/// Handles `GET /v1/networks/{network}`.
///
/// # Errors
/// Returns 404 if the network does not exist, and 503 if the coordinator is stopping.
pub async fn inspect_network(
    State(api): State<Api>,
    Path(network): Path<String>,
) -> Reply<shape::Network> {
    Ok(Json(look_at_network(&api, network.as_str().into()).await?))
}

async fn look_at_network(api: &Api, network: NetworkRef) -> Result<shape::Network, ApiError> {
    let rows = api.requests.ledger_handle.read(move |ledger| {
        let network = ledger.network(&network)?;
        Ok::<_, Refusal>(view::network(ledger, network))
    });
    Ok(show_network(api, rows.await??))
}

/// Completes a network with data that is not read on the ledger's thread: its options, and the
/// sessions of its endpoints.
fn show_network(api: &Api, view: NetworkView) -> shape::Network {
    let mut network = view.network;
    network.options = api.options.of(&view.row);
    network.endpoints = view
        .endpoints
        .iter()
        .map(|endpoint| {
            (
                endpoint.container.name.to_string(),
                endpoint.show(&api.requests.tether),
            )
        })
        .collect();
    network
}

/// Handles `POST /v1/networks`: creates a bridge network.
///
/// # Errors
/// Returns 400 for a field that is not valid, 409 if the name or a subnet is taken, and 503 if the coordinator is
/// stopping.
pub async fn create_network(
    State(api): State<Api>,
    body: Body<shape::CreateNetwork>,
) -> Made<shape::Network> {
    let mut body = body?.0;
    let options = std::mem::take(&mut body.options);
    let mut request = parse::create_network(body)?;
    (request.bridge, request.document) = api.options.parse(options)?;
    let command = Command::CreateNetwork(request);
    let outcome = api.requests.carry_out(command).await?;
    let Answer::NetworkCreated { network, .. } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    let body = look_at_network(&api, network.into()).await?;
    Ok(made(&outcome, body))
}

/// Handles `PUT /v1/networks/{network}/dns-ttl`: changes how long DNS clients may cache the network's names.
///
/// # Errors
/// Returns 400 if the time is too long, 404 if the network does not exist, and 503 if the coordinator is stopping.
pub async fn set_dns_ttl(
    State(api): State<Api>,
    Path(network): Path<String>,
    body: Body<shape::DnsTtl>,
) -> Reply<shape::Answer<shape::Network>> {
    let command = Command::SetDnsTtl {
        network: network.as_str().into(),
        ttl: parse::dns_ttl("seconds", body?.0.seconds)?,
    };
    let outcome = api.requests.carry_out(command).await?;
    let Answer::DnsTtlSet { network } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    let body = look_at_network(&api, network.into()).await?;
    Ok(Json(answer(&outcome, body)))
}

/// Handles `DELETE /v1/networks/{network}`.
///
/// # Errors
/// Returns 404 if the network does not exist, the ledger's refusal if it is in use or cannot be removed, and 503 if
/// the coordinator is stopping.
pub async fn remove_network(
    State(api): State<Api>,
    Path(network): Path<String>,
) -> Reply<shape::Answer<shape::Removed>> {
    let command = Command::RemoveNetwork(network.as_str().into());
    let outcome = api.requests.carry_out(command).await?;
    let Answer::NetworkRemoved { network } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    Ok(Json(answer(&outcome, removed(&network))))
}
