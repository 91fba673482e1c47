//! Networks: one function for each route.

mod listed;

use super::{Docker, Json, Parameters, Path};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use docker_model::{
    DockerError, Version,
    containers::document::ContainerDocument,
    filters::Filters,
    gates,
    networks::{
        endpoint::EndpointSettings,
        options::go_bool,
        params::Create,
        response::{NetworkSummary, scope},
    },
    prune::{NetworksPruned, some},
    time::TimeBound,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};
use vch_ledger::{
    Answer, Command, Container, ContainerId, ContainerRef, Ledger, Network, NetworkId, NetworkRef,
    Refusal,
};

pub(super) fn routes() -> Router<Docker> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/create", post(create))
        .route("/networks/prune", post(prune))
        .route("/networks/{network}", get(inspect).delete(remove))
        .route("/networks/{network}/connect", post(connect))
        .route("/networks/{network}/disconnect", post(disconnect))
}

async fn list(
    State(docker): State<Docker>,
    version: Version,
    parameters: Parameters,
) -> Result<Json<Vec<NetworkSummary>>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    let all = docker.requests.ledger_handle.read(move |ledger| {
        let all = listed::listed(ledger, &filters)?;
        let all = all.into_iter().map(|network| {
            if gates::NETWORK_LIST_CONTAINERS.is_open(version) {
                NetworkSummary::with_containers(ledger, network, version)
            } else {
                NetworkSummary::bare(ledger, network, version)
            }
        });
        Ok::<_, DockerError>(all.collect())
    });
    Ok(Json(all.await??))
}

/// Handles inspect. `verbose` has no effect: it only adds data of swarm networks.
async fn inspect(
    State(docker): State<Docker>,
    version: Version,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Json<NetworkSummary>, DockerError> {
    if let Some(verbose) = parameters.get("verbose")
        && go_bool(verbose).is_none()
    {
        let shown: String = verbose.chars().take(80).collect();
        return Err(DockerError::invalid(format!(
            "invalid value for verbose: {shown}: strconv.ParseBool: parsing \"{shown}\": invalid syntax"
        )));
    }
    let wanted = parameters.get("scope").map(str::to_owned);
    let shown = docker.requests.ledger_handle.read(move |ledger| {
        let network = find(ledger, &name)?;
        if wanted.is_some_and(|wanted| wanted != scope(network)) {
            return Err(Refusal::NetworkNotFound(name).into());
        }
        Ok::<_, DockerError>(NetworkSummary::with_containers(ledger, network, version))
    });
    Ok(Json(shown.await??))
}

/// Returns the network that a client names.
///
/// # Errors
/// Returns dockerd's error if no network matches, or with their number if several do.
fn find<'a>(ledger: &'a Ledger, name: &str) -> Result<&'a Network, DockerError> {
    match ledger.network(&NetworkRef::from(name)) {
        Err(Refusal::NetworkAmbiguous(name)) => {
            let networks = ledger.networks();
            let meant = networks.filter(|one| one.id.to_string().starts_with(&name));
            Err(DockerError::invalid(format!(
                "network {name} is ambiguous ({} matches found based on ID prefix)",
                meant.count()
            )))
        }
        found => Ok(found?),
    }
}

async fn find_id(docker: &Docker, name: String) -> Result<NetworkId, DockerError> {
    let found = docker
        .requests
        .ledger_handle
        .read(move |ledger| Ok::<_, DockerError>(find(ledger, &name)?.id));
    found.await?
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
    warning: &'static str,
}

async fn create(
    State(docker): State<Docker>,
    version: Version,
    Json(body): Json<Create>,
) -> Result<(StatusCode, Json<Created>), DockerError> {
    let command = Command::CreateNetwork(body.command(version)?);
    let outcome = docker.requests.carry_out(command).await?;
    let Answer::NetworkCreated { network, .. } = outcome.committed.answer else {
        return Err(DockerError::gone());
    };
    let created = Created {
        id: network.to_string(),
        warning: "",
    };
    Ok((StatusCode::CREATED, Json(created)))
}

async fn remove(
    State(docker): State<Docker>,
    Path(name): Path<String>,
) -> Result<StatusCode, DockerError> {
    let network = find_id(&docker, name).await?;
    let command = Command::RemoveNetwork(network.into());
    docker.requests.carry_out(command).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Connection {
    #[serde(default)]
    container: String,
    #[serde(default)]
    endpoint_config: Option<EndpointSettings>,
}

async fn connect(
    State(docker): State<Docker>,
    version: Version,
    Path(name): Path<String>,
    Json(body): Json<Connection>,
) -> Result<StatusCode, DockerError> {
    let container: ContainerRef = body.container.as_str().into();
    let settings = body.endpoint_config.unwrap_or_default();
    let aliased = settings.aliases().next().is_some();
    let meant = docker.requests.ledger_handle.read(move |ledger| {
        // dockerd checks the container first.
        let container = ledger.container(&container)?.id;
        let network = find(ledger, &name)?;
        if aliased && network.predefined && network.is_bridge() {
            return Err(DockerError::invalid(
                "network-scoped alias is supported only for containers in user defined networks",
            ));
        }
        Ok((container, network.id, network.name.clone()))
    });
    let (container, network, name) = meant.await??;
    let snapshot = docker.runtime.get(container).await?;
    let labels = snapshot.map(|snapshot| snapshot.workload.labels.clone());
    let labels = labels.unwrap_or_default();
    let request = settings.connect(container.into(), network.into(), &labels, version)?;
    let written = serde_json::to_string(&settings)
        .map_err(|error| DockerError::failed(format!("EndpointConfig cannot be kept: {error}")))?;
    docker
        .runtime
        .connect(container, request, move |document| {
            ContainerDocument::record_endpoint(document, name.to_string(), written);
        })
        .await?;
    Ok(StatusCode::OK)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Disconnection {
    #[serde(default)]
    container: String,
    /// Whether to disconnect an endpoint whose container is lost. The ledger has no such endpoints,
    /// so that this only changes the error message.
    #[serde(default)]
    force: bool,
}

async fn disconnect(
    State(docker): State<Docker>,
    Path(name): Path<String>,
    Json(body): Json<Disconnection>,
) -> Result<StatusCode, DockerError> {
    let container: ContainerRef = body.container.as_str().into();
    let force = body.force;
    let meant = docker.requests.ledger_handle.read(move |ledger| {
        let container = match ledger.container(&container) {
            Err(Refusal::ContainerNotFound(container)) if force => {
                find(ledger, &name)?;
                let message = format!("endpoint {container} not found");
                return Err(DockerError::not_found(message));
            }
            found => found?,
        };
        let missed = |name: &str| {
            let mut missing = container.missing.iter();
            missing.any(|(missed, id)| missed.as_str() == name || id.to_string() == name)
        };
        let network = match find(ledger, &name) {
            // The network was removed while the container was stopped.
            Err(_) if missed(&name) => {
                return Ok((container.id, name.as_str().into(), name, Ok(())));
            }
            found => found?,
        };
        let endpoint = ledger.endpoint_of(container.id, network.id);
        let there = endpoint.is_some() || missed(network.name.as_str());
        let there = there.then_some(());
        let there = there.ok_or_else(|| not_connected(container.id, network));
        let name = network.name.to_string();
        Ok((container.id, NetworkRef::from(network.id), name, there))
    });
    let (container, network, name, there) = meant.await??;
    if let Err(error) = there {
        let awaited = docker.runtime.cancel_pending(container, &name).await?;
        return awaited.then_some(StatusCode::OK).ok_or(error);
    }
    let command = Command::Disconnect {
        container: container.into(),
        network,
    };
    docker.requests.carry_out(command).await?;
    Ok(StatusCode::OK)
}

fn not_connected(container: ContainerId, network: &Network) -> DockerError {
    let name = &network.name;
    DockerError::failed(format!(
        "container {container} is not connected to the network {name}"
    ))
}

async fn prune(
    State(docker): State<Docker>,
    parameters: Parameters,
) -> Result<Json<NetworksPruned>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    filters.only(&["label", "label!", "until"])?;
    let until = filters.until(TimeBound::NetworkPrune)?;
    let unused = docker.requests.ledger_handle.read(move |ledger| {
        let networks = ledger.networks().filter(|network| {
            let old = until.is_none_or(|until| Duration::from_millis(network.created_ms) <= until);
            !network.predefined
                && is_unused(ledger, network)
                && old
                && filters.prunes(&network.labels)
        });
        let named = networks.map(|network| (network.name.to_string(), network.id));
        named.collect::<BTreeSet<_>>()
    });
    let mut deleted = Vec::new();
    for (name, network) in unused.await? {
        let command = Command::RemoveNetwork(network.into());
        match docker.requests.carry_out(command).await {
            Ok(_) => deleted.push(name),
            // The network is in use or was removed meanwhile.
            Err(vch_engine::RequestError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let networks_deleted = some(deleted);
    Ok(Json(NetworksPruned { networks_deleted }))
}

/// Returns whether a network has no running container: dockerd calls it dangling, and prunes it.
fn is_unused(ledger: &Ledger, network: &Network) -> bool {
    let mut endpoints = ledger.endpoints_on(network.id);
    let runs = |id| ledger.container_by_id(id).is_some_and(Container::runs);
    !endpoints.any(|endpoint| runs(endpoint.container))
}
