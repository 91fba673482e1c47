//! Features of dockerd that a VCH lacks. Each is refused by its name, with a remedy.

use super::{Docker, Json, Path};
use axum::{
    Router,
    http::StatusCode,
    routing::{any, get, post},
};
use docker_model::{DockerError, prune::BuildCachePruned};

/// The unsupported features, their paths, and what to do instead.
const MISSING: &[(&str, &[&str], &str)] = &[
    (
        "swarm mode",
        &["/swarm/init", "/swarm/join"],
        "it is one host by itself: use `docker run` and networks of driver bridge",
    ),
    (
        "a plugin",
        &["/plugins/pull", "/plugins/create", "/plugins/privileges"],
        "networks are of driver bridge, or external ones of its configuration",
    ),
    (
        "building images",
        &["/build", "/build/cancel", "/session", "/grpc"],
        "build the image on another machine, then `docker load`, `docker import` or `docker pull` it here",
    ),
];

/// The paths that only a swarm manager serves.
const OF_MANAGERS: [&str; 13] = [
    "/swarm",
    "/swarm/update",
    "/swarm/unlockkey",
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
];

/// Returns the routes of features that a VCH lacks, each of which refuses its feature by name; and the routes of
/// the build cache, which answer that it is empty, since clients ask for it along with other objects.
pub fn routes() -> Router<Docker> {
    let mut routes = Router::new();
    for (feature, paths, remedy) in MISSING {
        for path in *paths {
            let refuse = async move || DockerError::unsupported(feature, remedy);
            routes = routes.route(path, any(refuse));
        }
    }
    for path in OF_MANAGERS {
        routes = routes.route(path, any(no_manager));
    }
    routes
        .route("/swarm/leave", post(no_swarm))
        .route("/swarm/unlock", post(no_swarm))
        .route("/plugins", get(no_plugins))
        .route("/plugins/{*rest}", any(no_such_plugin))
        .route("/build/prune", post(prune_build))
}

/// Returns dockerd's error if it is not a swarm manager.
async fn no_manager() -> DockerError {
    DockerError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
    )
}

/// Returns dockerd's error if it is not in a swarm.
async fn no_swarm() -> DockerError {
    DockerError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "This node is not part of a swarm",
    )
}

async fn no_plugins() -> Json<[String; 0]> {
    Json([])
}

async fn no_such_plugin(Path(rest): Path<String>) -> DockerError {
    let words = ["json", "enable", "disable", "upgrade", "push", "set"];
    let name = match rest.rsplit_once('/') {
        Some((name, word)) if words.contains(&word) => name,
        _ => &rest,
    };
    let name: String = name.chars().take(200).collect();
    DockerError::not_found(format!("plugin \"{name}\" not found"))
}

async fn prune_build() -> Json<BuildCachePruned> {
    Json(BuildCachePruned::default())
}
