//! The handlers for published ports.

use super::{Api, ApiError, Body, Made, Path, Reply, answer, made};
use crate::{
    parse, shape,
    view::{self, ContainerRows},
};
use axum::{Json, extract::State};
use vch_ledger::{Answer, Command, ContainerId, ContainerRef, Refusal};

/// Handles `GET /v1/ports`: lists the published ports that are in force, of all containers, ordered by the VCH's
/// port.
///
/// # Errors
/// Returns 503 if the coordinator is stopping.
pub async fn list_ports(State(api): State<Api>) -> Reply<Vec<shape::Binding>> {
    let all = api.requests.ledger_handle.read(|ledger| {
        let bindings = ledger.bindings();
        bindings
            .filter_map(|one| view::binding(ledger, one))
            .collect()
    });
    Ok(Json(all.await?))
}

/// Handles `GET /v1/containers/{container}/ports`: lists the published ports of a container that are in force.
///
/// # Errors
/// Returns 404 if the container does not exist, and 503 if the coordinator is stopping.
pub async fn list_ports_of(
    State(api): State<Api>,
    Path(container): Path<String>,
) -> Reply<Vec<shape::Binding>> {
    let container = ContainerRef::from(container.as_str());
    let rows = api.requests.ledger_handle.read(move |ledger| {
        let container = ledger.container(&container)?;
        Ok::<_, Refusal>(ContainerRows::of(ledger, container).bindings)
    });
    Ok(Json(rows.await??))
}

/// Handles `POST /v1/containers/{container}/ports`: publishes and exposes further ports of a container.
///
/// # Errors
/// Returns 400 if a port is not valid, 404 if the container does not exist, the ledger's refusal if a port of the
/// VCH is taken, and 503 if the coordinator is stopping.
pub async fn publish_ports(
    State(api): State<Api>,
    Path(container): Path<String>,
    body: Body<shape::Ports>,
) -> Made<shape::Container> {
    let command = Command::PublishPorts {
        container: container.as_str().into(),
        ports: parse::ports(&body?.0)?,
    };
    let outcome = api.requests.carry_out(command).await?;
    let Answer::PortsPublished { container, .. } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    let shown = show(&api, container).await?;
    Ok(made(&outcome, shown))
}

/// Handles `DELETE /v1/containers/{container}/ports`: withdraws ports of a container.
///
/// # Errors
/// Returns 400 if a port is not valid, 404 if the container does not exist, the ledger's refusal if it does not
/// have the port, and 503 if the coordinator is stopping.
pub async fn unpublish_ports(
    State(api): State<Api>,
    Path(container): Path<String>,
    body: Body<shape::Ports>,
) -> Reply<shape::Answer<shape::Container>> {
    let command = Command::UnpublishPorts {
        container: container.as_str().into(),
        ports: parse::ports(&body?.0)?,
    };
    let outcome = api.requests.carry_out(command).await?;
    let Answer::PortsUnpublished { container } = outcome.committed.answer else {
        return Err(ApiError::gone());
    };
    let shown = show(&api, container).await?;
    Ok(Json(answer(&outcome, shown)))
}

async fn show(api: &Api, container: ContainerId) -> Result<shape::Container, ApiError> {
    let rows = api.requests.ledger_handle.read(move |ledger| {
        let container = ledger.container(&container.into())?;
        Ok::<_, Refusal>(ContainerRows::of(ledger, container))
    });
    Ok(rows.await??.show(&api.requests.tether))
}
