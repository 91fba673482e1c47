//! `GET /distribution/NAME/json`: describes an image in a registry without pulling it.

use super::super::{Docker, Json, Path};
use super::pull;
use axum::{extract::State, http::HeaderMap};
use docker_model::{DockerError, registry::DistributionInspect};
use vch_image_store::{ImageError, Reference};

/// Handles `GET /distribution/{name}/json`: returns the descriptor of an image's manifest or index in a registry,
/// and the image's platforms.
///
/// # Errors
/// Returns 400 if the name or the credentials are not valid, 404 if the path or the image does not exist, 401 if
/// the registry denies access, and 500 if it fails.
pub async fn inspect(
    State(docker): State<Docker>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Json<DistributionInspect>, DockerError> {
    let name = path.strip_suffix("/json");
    let name = name.ok_or_else(DockerError::page_not_found)?;
    let name: Reference = name.parse().map_err(ImageError::Name)?;
    let credentials = pull::credentials(&headers)?;
    let found = docker.images.inspect_remote(name, credentials).await?;
    Ok(Json(found.into()))
}
