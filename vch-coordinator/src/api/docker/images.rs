//! Images: what containers are made of.

use super::{Docker, DockerError, Json, Parameters, Path, containers::Image};
use axum::{Router, extract::State, routing};
use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};
use serde_json::{Value, json};

/// Where images are found.
pub trait Images: Send + Sync {
    /// The image that a user names.
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Image, DockerError>>;
}

/// A VCH without an image store.
#[derive(Clone, Copy, Debug)]
pub struct NoImages;

impl Images for NoImages {
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Image, DockerError>> {
        future::ready(Err(no_such(name))).boxed()
    }
}

/// dockerd names the tag that it looked for.
pub fn no_such(name: &str) -> DockerError {
    let name: String = name.chars().take(300).collect();
    let last = name.rsplit('/').next().unwrap_or_default();
    let tag = match last.contains([':', '@']) {
        true => "",
        false => ":latest",
    };
    DockerError::not_found(format!("No such image: {name}{tag}"))
}

pub fn routes() -> Router<Docker> {
    Router::new()
        .route("/images/json", routing::get(list))
        .route("/images/search", routing::get(search))
        .route("/images/prune", routing::post(prune))
        .route("/images/create", routing::post(no_store))
        .route("/images/load", routing::post(no_store))
        .route("/images/get", routing::get(no_store))
        .route("/system/df", routing::get(usage))
        // A name may have slashes: what is asked of it stands behind its last one.
        .route("/images/{*name}", routing::any(one))
}

async fn list(State(_): State<Docker>, _: Parameters) -> Json<Value> {
    Json(json!([]))
}

async fn prune() -> Json<Value> {
    Json(json!({ "ImagesDeleted": null, "SpaceReclaimed": 0 }))
}

async fn no_store() -> DockerError {
    let remedy = "it has no image store yet";
    DockerError::unsupported("bringing images in and out", remedy)
}

async fn search() -> DockerError {
    let remedy = "search on the registry's own page, then `docker pull`";
    DockerError::unsupported("searching registries", remedy)
}

async fn one(State(docker): State<Docker>, Path(name): Path<String>) -> DockerError {
    let ends = ["/json", "/history", "/tag", "/get", "/push"];
    let bare = ends.iter().find_map(|end| name.strip_suffix(end));
    match docker.images.find(bare.unwrap_or(&name)).await {
        Err(error) => error,
        Ok(_) => {
            let remedy = "it has no image store yet";
            DockerError::unsupported("changing images", remedy)
        }
    }
}

/// `docker system df`.
async fn usage(State(docker): State<Docker>) -> Result<Json<Value>, DockerError> {
    let containers = docker.summaries().await?;
    Ok(Json(json!({
        "LayersSize": 0,
        "Images": [],
        "Containers": containers,
        "Volumes": [],
        "BuildCache": [],
    })))
}
