//! Volumes, which a VCH does not support: a request for a volume that is not valid is refused as by dockerd, any
//! other one as an unsupported feature. The list of volumes is empty.

use super::{Docker, Json, Parameters, Path};
use axum::{
    Router,
    routing::{any, get, post},
};
use docker_model::{
    DockerError,
    filters::Filters,
    json::Empty,
    prune::VolumesPruned,
    volumes::{VolumeList, check_name, excerpt},
};
use serde::Deserialize;

/// Returns the routes of volumes.
pub fn routes() -> Router<Docker> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{volume}", any(no_such_volume))
}

async fn list(parameters: Parameters) -> Result<Json<VolumeList>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    filters.only(&["dangling", "driver", "label", "name"])?;
    filters.switch("dangling")?;
    Ok(Json(VolumeList::default()))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct VolumeParams {
    name: String,
    driver: String,
}

async fn create(Json(params): Json<VolumeParams>) -> Result<Json<Empty>, DockerError> {
    if !params.name.is_empty() {
        check_name(&params.name)?;
    }
    if !matches!(&*params.driver, "" | "local") {
        let (name, driver) = (excerpt(&params.name), excerpt(&params.driver));
        return Err(DockerError::not_found(format!(
            "create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found"
        )));
    }
    let remedy = "copy what the container needs into its image, or serve it over the network";
    Err(DockerError::unsupported("a volume", remedy))
}

async fn prune(parameters: Parameters) -> Result<Json<VolumesPruned>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    filters.only(&["all", "label", "label!"])?;
    filters.switch("all")?;
    Ok(Json(VolumesPruned::default()))
}

async fn no_such_volume(Path(volume): Path<String>) -> DockerError {
    let volume = excerpt(&volume);
    DockerError::not_found(format!("get {volume}: no such volume"))
}
