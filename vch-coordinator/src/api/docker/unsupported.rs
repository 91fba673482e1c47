//! What dockerd has and a VCH has not: each is refused by its name, with what to do instead.

use super::{Docker, DockerError, Json, Path};
use axum::{
    Router,
    http::Method,
    routing::{any, get, post},
};
use serde_json::{Value, json};

/// What is not there, where it would be, and what to do instead.
const MISSING: &[(&str, &[&str], &str)] = &[
    (
        "swarm mode",
        &[
            "/swarm",
            "/swarm/{*rest}",
            "/nodes",
            "/nodes/{*rest}",
            "/services",
            "/services/{*rest}",
            "/tasks",
            "/tasks/{*rest}",
            "/secrets",
            "/secrets/{*rest}",
            "/configs",
            "/configs/{*rest}",
        ],
        "it is one host by itself: use `docker run` and networks of driver bridge",
    ),
    (
        "building images",
        &["/build", "/build/cancel", "/session", "/grpc"],
        "build the image on another machine, then `docker load`, `docker import` or `docker pull` it here",
    ),
    (
        "logging in by the host",
        &["/auth"],
        "give `docker pull` its credentials by the client's configuration",
    ),
];

/// Their routes; and what clients ask of plugins, volumes and the build cache in passing, of which
/// there are none.
pub fn routes() -> Router<Docker> {
    let mut routes = Router::new();
    for (feature, paths, remedy) in MISSING {
        for path in *paths {
            let refuse = async move || DockerError::unsupported(feature, remedy);
            routes = routes.route(path, any(refuse));
        }
    }
    routes
        .route("/plugins", get(no_plugins))
        .route("/plugins/{*rest}", any(plugin))
        .route("/volumes", get(no_volumes))
        .route("/volumes/create", post(create_volume))
        .route("/volumes/prune", post(prune_volumes))
        .route("/volumes/{volume}", any(no_such_volume))
        .route("/build/prune", post(prune_build))
}

async fn no_plugins() -> Json<Value> {
    Json(json!([]))
}

/// There is none to be looked at, and none can be had.
async fn plugin(method: Method, Path(rest): Path<String>) -> DockerError {
    match rest.strip_suffix("/json") {
        Some(name) if method == Method::GET => {
            let name: String = name.chars().take(200).collect();
            DockerError::not_found(format!("plugin \"{name}\" not found"))
        }
        _ => DockerError::unsupported(
            "plugins",
            "networks are of driver bridge, or external ones of its configuration",
        ),
    }
}

async fn no_volumes() -> Json<Value> {
    Json(json!({ "Volumes": [], "Warnings": null }))
}

async fn create_volume() -> DockerError {
    let remedy = "copy what the container needs into its image, or serve it over the network";
    DockerError::unsupported("a volume", remedy)
}

async fn prune_volumes() -> Json<Value> {
    Json(json!({ "VolumesDeleted": [], "SpaceReclaimed": 0 }))
}

async fn prune_build() -> Json<Value> {
    Json(json!({ "CachesDeleted": null, "SpaceReclaimed": 0 }))
}

async fn no_such_volume(Path(volume): Path<String>) -> DockerError {
    let volume: String = volume.chars().take(200).collect();
    DockerError::not_found(format!("get {volume}: no such volume"))
}
