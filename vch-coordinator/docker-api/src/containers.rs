//! Containers: create, list, inspect, prune.
//!
//! ```text
//!   body ──► docker-model: create ──► Runtime::create ──► one transaction
//!   ledger ──► docker-model: view ──► inspect, list ──► JSON
//! ```

mod stats;
mod update;

use super::{Docker, Json, Parameters, Path};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing,
};
use docker_model::{
    DockerError, Version,
    containers::{
        body, create as params,
        created::Created,
        inspect::ContainerInspect,
        list,
        summary::ContainerSummary,
        view::{ContainerView, Sizes},
    },
    filters::Filters,
    gates, json, names,
    prune::{ContainersPruned, some},
    time::{self, TimeBound},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};
use vch_engine::RequestError;
use vch_ledger::{ContainerName, ContainerRef, Ledger, Network, NetworkId, Refusal};
use vch_runtime::{ContainerSnapshot, RuntimeError, workload::Status};

/// The maximum number of tries to find a free random name.
const TRIES: u32 = 16;

/// Returns the routes of containers: create, list, inspect, stats, update, prune, and those that are refused.
pub fn routes() -> Router<Docker> {
    let at = |rest: &str| format!("/containers/{{container}}{rest}");
    Router::new()
        .route("/containers/create", routing::post(create))
        .route("/containers/json", routing::get(list))
        .route("/containers/prune", routing::post(prune))
        .route(&at("/json"), routing::get(inspect))
        .route(&at("/update"), routing::post(update::update))
        .route(&at("/stats"), routing::get(stats::stats))
        .route(&at("/pause"), routing::post(pause))
        .route(&at("/unpause"), routing::post(pause))
        .route(&at("/changes"), routing::get(files))
        .route(&at("/export"), routing::get(files))
        .route(&at("/copy"), routing::post(files))
        .route(&at("/archive"), routing::any(files))
        .route(&at("/attach/ws"), routing::get(websocket))
        .route("/commit", routing::post(files))
}

impl Docker {
    /// Returns the view of a container, with its networks.
    ///
    /// # Errors
    /// Returns 404 if this VCH runs no such container.
    async fn view(&self, named: &str) -> Result<ContainerView, DockerError> {
        let id = self.container(named).await?;
        let snapshot = self.runtime.require(id).await?;
        let networks = self.networks_of(std::slice::from_ref(&snapshot)).await?;
        Ok(ContainerView::of(snapshot, networks))
    }

    /// Returns the views of all containers, newest first.
    ///
    /// # Errors
    /// Returns an error if the coordinator is stopping.
    async fn views(&self) -> Result<Vec<ContainerView>, DockerError> {
        let all = self.runtime.all().await?;
        let networks = self.networks_of(&all).await?;
        let views = all.into_iter();
        Ok(views
            .map(|snapshot| ContainerView::of(snapshot, Arc::clone(&networks)))
            .collect())
    }

    /// Reads the networks of containers' endpoints.
    ///
    /// # Errors
    /// Returns an error if the coordinator is stopping.
    async fn networks_of(
        &self,
        containers: &[ContainerSnapshot],
    ) -> Result<Arc<BTreeMap<NetworkId, Network>>, DockerError> {
        let endpoints = containers.iter().flat_map(|one| &one.endpoints);
        let ids: BTreeSet<NetworkId> = endpoints.map(|(_, endpoint)| endpoint.network).collect();
        let read = move |ledger: &Ledger| ContainerView::networks_of(ledger, &ids);
        Ok(Arc::new(self.requests.ledger_handle.read(read).await?))
    }
}

async fn create(
    State(docker): State<Docker>,
    version: Version,
    parameters: Parameters,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Json<Created>), DockerError> {
    let body = body::without_nulls(body);
    if body.as_object().is_none_or(serde_json::Map::is_empty) {
        return Err(DockerError::invalid(
            "config cannot be empty in order to create a container",
        ));
    }
    let body: body::Body = json::typed(body)?;
    let name = match parameters.get("name") {
        Some(name) => names::chosen(name)?,
        None => docker.free_name().await?,
    };
    let image = docker.image(&body.image)?;
    let platform = parameters.get("platform");
    if let Some(platform) = gates::CREATE_PLATFORM.then(version, platform).flatten() {
        params::check_platform(platform, &body.image, &image)?;
    }
    let host_gateway = docker.requests.ledger_handle.read(host_gateway).await?;
    let context = params::CreateContext {
        version,
        name,
        image: &image,
        host_gateway,
    };
    let params::Planned { create, warnings } = params::plan(&body, context)?;
    let made = docker.runtime.create(create).await;
    let id = made.map_err(not_made)?;
    let id = id.to_string();
    Ok((StatusCode::CREATED, Json(Created { id, warnings })))
}

/// Converts an error of create. Clients take a 404 for a missing image and pull it, so everything
/// else that is missing is a 400.
fn not_made(error: RuntimeError) -> DockerError {
    let linked = match &error {
        RuntimeError::Request(RequestError::Refused(Refusal::ContainerNotFound(name))) => {
            Some(format!("could not get container for {name}: "))
        }
        _ => None,
    };
    let error = DockerError::from(error);
    match error.status {
        StatusCode::NOT_FOUND => {
            let linked = linked.unwrap_or_default();
            DockerError::invalid(format!("{linked}{}", error.message))
        }
        _ => error,
    }
}

/// Returns the VCH's address on the default bridge.
fn host_gateway(ledger: &Ledger) -> Option<IpAddr> {
    let bridge = ledger.network(&"bridge".into()).ok()?;
    bridge.subnets.iter().find_map(|subnet| subnet.gateway)
}

impl Docker {
    async fn free_name(&self) -> Result<ContainerName, DockerError> {
        for tries in 0..TRIES {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes)
                .map_err(|error| DockerError::failed(format!("no name can be drawn: {error}")))?;
            let name = names::drawn(u64::from_le_bytes(bytes), tries);
            let container = ContainerRef::from(name.as_str());
            let taken = self
                .requests
                .ledger_handle
                .read(move |ledger| ledger.container(&container).is_ok());
            if !taken.await? {
                return names::chosen(&name);
            }
        }
        Err(DockerError::failed(
            "no free name was drawn: give one (`--name`)",
        ))
    }
}

impl Docker {
    /// Returns a view of each container, the newest container first, with two sizes in bytes: the disk space that its
    /// writable layer takes (allocated, not apparent), and the sum of the sizes of the files in its image. The latter is
    /// 0 if it is not known. Used by `docker ps --size` and `docker system df`.
    ///
    /// # Errors
    /// Returns a [`DockerError`] if the coordinator is stopping.
    pub async fn sized_views(&self) -> Result<Vec<ContainerView>, DockerError> {
        let mut views = self.views().await?;
        for view in &mut views {
            view.sizes = Some(self.sizes(&view.snapshot).await);
        }
        Ok(views)
    }

    async fn sizes(&self, snapshot: &ContainerSnapshot) -> Sizes {
        let image = self.images.find(&snapshot.workload.image);
        Sizes {
            written: self.runtime.written(snapshot.container.id).await,
            // The image may have been removed by force meanwhile.
            image: image.map_or(0, |image| image.bytes),
        }
    }
}

async fn list(
    State(docker): State<Docker>,
    version: Version,
    parameters: Parameters,
) -> Result<Response, DockerError> {
    let limit = match parameters.get("limit") {
        None => 0,
        Some(text) => text.parse::<i64>().map_err(|_| {
            DockerError::invalid(format!("invalid value for limit: {text}: give a number"))
        })?,
    };
    let params = list::ListParams {
        all: parameters.flag("all"),
        // -1 means no limit.
        limit: usize::try_from(limit).unwrap_or(0),
        filters: Filters::parse(parameters.get("filters"))?,
    };
    let views = match parameters.flag("size") {
        true => docker.sized_views().await?,
        false => docker.views().await?,
    };
    let now_ms = time::now_ms();
    let chosen = list::chosen(&views, &params)?;
    let listed = chosen
        .into_iter()
        .map(|view| ContainerSummary::of(view, version, now_ms));
    Ok(Json(listed.collect::<Vec<_>>()).into_response())
}

async fn inspect(
    State(docker): State<Docker>,
    version: Version,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<Response, DockerError> {
    let mut view = docker.view(&container).await?;
    if parameters.flag("size") {
        view.sizes = Some(docker.sizes(&view.snapshot).await);
    }
    let execs = docker.execs.of(view.snapshot.container.id);
    let image = &view.snapshot.workload.image;
    let shown = ContainerInspect {
        image_manifest_descriptor: docker.image_descriptor(image, version),
        ..ContainerInspect::of(&view, version, &execs)
    };
    Ok(Json(shown).into_response())
}

async fn prune(
    State(docker): State<Docker>,
    parameters: Parameters,
) -> Result<Json<ContainersPruned>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    filters.only(&["label", "label!", "until"])?;
    let until = filters.until(TimeBound::Prune)?;
    let (mut removed, mut freed) = (Vec::new(), 0);
    for snapshot in docker.runtime.all().await? {
        let created = u128::from(snapshot.container.created_ms);
        let old = until.is_none_or(|until| created < until.as_millis());
        let ended = matches!(snapshot.run_state.status, Status::Created | Status::Exited);
        if !(ended && old && filters.prunes(&snapshot.workload.labels)) {
            continue;
        }
        let id = snapshot.container.id;
        let written = docker.runtime.written(id).await;
        match docker.runtime.remove(id, false).await {
            Ok(()) => {
                removed.push(id.to_string());
                freed += written;
            }
            // The container was started or removed meanwhile.
            Err(RuntimeError::Running { .. } | RuntimeError::NotOurs(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(ContainersPruned {
        containers_deleted: some(removed),
        space_reclaimed: freed,
    }))
}

async fn pause() -> DockerError {
    DockerError::unsupported("pausing a container", "stop it (`docker stop`)")
}

async fn files() -> DockerError {
    let remedy = "a container's files are its VM's own: read and write them by `docker exec`, as in `docker exec C tar -c PATH`";
    DockerError::unsupported("a container's file system from outside", remedy)
}

async fn websocket() -> DockerError {
    let remedy = "use `POST /containers/{id}/attach`, as the docker CLI does";
    DockerError::unsupported("attaching by WebSocket", remedy)
}
