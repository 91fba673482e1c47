//! Images: pull, import, load, list, inspect, tag, remove, and the disk usage of the VCH.
//!
//! The image store's unprivileged process parses incoming data. Its progress is sent to the client as it arrives,
//! one JSON line each.

mod distribution;
mod login;
mod pull;
mod sharing;

use super::{Docker, Json, Parameters, Path, events::EventKind};
use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing,
};
use docker_model::{
    DockerError, Version,
    containers::{create, summary::ContainerSummary},
    filters::Filters,
    gates,
    images::{
        self as model,
        chosen::chosen,
        inspect::{ImageInspect, history},
        manifest::{manifests, platform_descriptor},
        summary::ImageSummary,
    },
    prune::{ImageRemoval, ImagesPruned, some},
    system::Usage,
    time::{self, TimeBound},
};
use sharing::Sharing;
use std::{collections::BTreeMap, sync::Arc};
use vch_image_store::{
    Descriptor, Image, ImageError, Reference,
    store::{Removed, Use},
};

/// Returns the routes of images, and of `docker login` and `docker system df`.
pub fn routes() -> Router<Docker> {
    Router::new()
        .route("/auth", routing::post(login::login))
        .route("/images/json", routing::get(list))
        .route("/images/search", routing::get(search))
        .route("/distribution/{*name}", routing::get(distribution::inspect))
        .route("/images/prune", routing::post(prune))
        .route("/images/create", routing::post(pull::create))
        .route("/images/load", routing::post(pull::load))
        .route("/images/get", routing::get(save))
        .route("/system/df", routing::get(usage))
        // An image's name may contain slashes; the operation follows the last one.
        .route("/images/{*name}", routing::any(one))
}

impl Docker {
    /// Returns the settings (such as environment, command, user and exposed ports) that a container inherits from the
    /// image that `name` means: a whole ID, else a name, else the beginning of an ID.
    ///
    /// # Errors
    /// Returns a [`DockerError`] of status 404 if no image matches, and of status 400 if the name is not valid or the
    /// IDs of several images begin with it.
    pub fn image(&self, name: &str) -> Result<create::Image, DockerError> {
        Ok(model::for_container(&*self.images.find(name)?))
    }

    /// Returns the descriptor (media type, digest, size, platform) of the manifest of the image with this ID. `None` if
    /// no such image is stored, or if `version`, the API version of the request, is below 1.48, the first with
    /// descriptors.
    pub fn image_descriptor(&self, id: &str, version: Version) -> Option<Descriptor> {
        let image = self.images.find(id).ok()?;
        gates::IMAGE_DESCRIPTOR.then(version, platform_descriptor(&image))
    }

    /// Returns which containers use which images.
    ///
    /// # Errors
    /// Returns an error if the coordinator is stopping.
    async fn uses(&self) -> Result<Vec<Use>, DockerError> {
        let all = self.runtime.all().await?;
        let one = |snapshot: vch_runtime::ContainerSnapshot| {
            Some(Use {
                container: snapshot.container.id.to_string(),
                image: snapshot.workload.image.parse().ok()?,
                running: snapshot.container.runs(),
            })
        };
        let unreadable = self
            .runtime
            .unreadable()
            .into_iter()
            .filter_map(|unreadable| {
                Some(Use {
                    container: unreadable.container.id.to_string(),
                    image: unreadable.image?.parse().ok()?,
                    running: unreadable.container.runs(),
                })
            });
        Ok(all.into_iter().filter_map(one).chain(unreadable).collect())
    }

    /// Sends an event about an image.
    fn tell_image(&self, action: &str, id: &str, name: &str) {
        let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        self.events
            .tell_now(EventKind::Image, action, id, attributes);
    }

    /// Converts the records of a removal to Docker's, and sends their events.
    fn removed(&self, records: &[Removed]) -> Vec<ImageRemoval> {
        let one = |record: &Removed| match record {
            Removed::Untagged(name) => {
                self.tell_image("untag", name, name);
                ImageRemoval::Untagged(name.clone())
            }
            Removed::Deleted(id) => {
                self.tell_image("delete", id, id);
                ImageRemoval::Deleted(id.clone())
            }
        };
        records.iter().map(one).collect()
    }
}

async fn list(
    State(docker): State<Docker>,
    version: Version,
    parameters: Parameters,
) -> Result<Json<Vec<ImageSummary>>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    let images = docker.images.list();
    let shared = parameters.flag("shared-size").then(|| Sharing::of(&images));
    let mut chosen = chosen(&docker.images, images, &filters)?;
    chosen.sort_by_key(|image| std::cmp::Reverse(model::created(image)));
    let uses = match gates::IMAGE_LIST_CONTAINERS.is_open(version) {
        true => Some(docker.uses().await?),
        false => None,
    };
    let manifested = parameters.flag("manifests") && gates::IMAGE_LIST_MANIFESTS.is_open(version);
    let listed = chosen.iter().map(|image| ImageSummary {
        containers: uses.as_deref().map(|uses| count(uses, image)),
        shared_size: shared.as_ref().map(|shared| shared.bytes(image)),
        manifests: manifested.then(|| manifests(image, containers(uses.as_deref(), image))),
        ..ImageSummary::of(image, &filters, version)
    });
    Ok(Json(listed.collect()))
}

/// Returns how many containers use an image.
fn count(uses: &[Use], image: &Image) -> u64 {
    let count = uses.iter().filter(|one| one.image == image.id).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Returns the containers that use an image; empty if `uses` is `None`.
fn containers(uses: Option<&[Use]>, image: &Image) -> Vec<String> {
    let uses = uses.into_iter().flatten();
    let own = uses.filter(|one| one.image == image.id);
    own.map(|one| one.container.clone()).collect()
}

async fn search() -> DockerError {
    let remedy = "search on the registry's own page";
    DockerError::unsupported("searching registries", remedy)
}

async fn save() -> DockerError {
    let remedy = "keep the archive that it was loaded from";
    DockerError::unsupported("saving images", remedy)
}

/// Dispatches a request about one image by its method and the last part of its path.
async fn one(
    State(docker): State<Docker>,
    version: Version,
    method: Method,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Response, DockerError> {
    let (bare, what) = name.rsplit_once('/').unwrap_or((&name, ""));
    let find = || docker.images.find(bare);
    for platform in ["platform", "platforms"].map(|name| parameters.get(name)) {
        platform.map_or(Ok(()), create::only_ours)?;
    }
    match (method, what) {
        (Method::GET, "json") => {
            let image = find()?;
            let mut answer = ImageInspect::of(&image, version);
            if parameters.flag("manifests") && gates::IMAGE_DESCRIPTOR.is_open(version) {
                let used = containers(Some(&docker.uses().await?), &image);
                answer.manifests = Some(manifests(&image, used));
            }
            Ok(Json(answer).into_response())
        }
        (Method::GET, "history") => Ok(Json(history(&*find()?)).into_response()),
        (Method::POST, "tag") => {
            tag(&docker, bare, &parameters).await?;
            Ok(StatusCode::CREATED.into_response())
        }
        (Method::GET, "get") => Err(save().await),
        (Method::POST, "push") => {
            let remedy = "push it from where it was built";
            Err(DockerError::unsupported("pushing images", remedy))
        }
        (Method::DELETE, _) => {
            let uses = docker.uses().await?;
            let force = parameters.flag("force");
            let records = docker.images.remove(&name, force, uses).await?;
            Ok(Json(docker.removed(&records)).into_response())
        }
        _ => Err(DockerError::page_not_found()),
    }
}

async fn tag(docker: &Docker, image: &str, parameters: &Parameters) -> Result<(), DockerError> {
    let repository = parameters.get("repo").unwrap_or_default();
    let name = Reference::from_parts(repository, parameters.get("tag").unwrap_or_default())
        .map_err(ImageError::Name)?;
    let shown = name.familiar();
    let image = docker.images.tag(image, name).await?;
    docker.tell_image("tag", &image.id.to_string(), &shown);
    Ok(())
}

async fn prune(
    State(docker): State<Docker>,
    parameters: Parameters,
) -> Result<Json<ImagesPruned>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    filters.only(&["dangling", "label", "label!", "until"])?;
    // Without `dangling`, only images without a name are removed.
    let all = !filters
        .switch("dangling")
        .map_err(|_| filters.invalid("dangling"))?
        .unwrap_or(true);
    let until = filters.until(TimeBound::Prune)?;
    let wanted = move |image: &Image| {
        until.is_none_or(|until| model::created(image) < until)
            && filters.prunes(&model::labels(image))
    };
    let uses = docker.uses().await?;
    let (records, freed) = docker.images.prune(all, uses, wanted).await?;
    Ok(Json(ImagesPruned {
        images_deleted: some(docker.removed(&records)),
        space_reclaimed: freed,
    }))
}

/// Handles `docker system df`.
async fn usage(
    State(docker): State<Docker>,
    version: Version,
    parameters: Parameters,
) -> Result<Response, DockerError> {
    let wanted: Vec<&str> = parameters
        .all("type")
        .filter(|kind| !kind.is_empty() && gates::USAGE_TYPE.is_open(version))
        .collect();
    let known = ["container", "image", "volume", "build-cache"];
    if let Some(other) = wanted.iter().find(|kind| !known.contains(kind)) {
        let shown: String = other.chars().take(100).collect();
        return Err(DockerError::invalid(format!(
            "unknown object type: {shown}"
        )));
    }
    let wants = |kind: &str| wanted.is_empty() || wanted.contains(&kind);
    let views = docker.sized_views().await?;
    let now_ms = time::now_ms();
    let containers = views
        .iter()
        .map(|view| ContainerSummary::of(view, version, now_ms));
    let images: Vec<Arc<Image>> = docker.images.list();
    let layers: BTreeMap<String, u64> = images
        .iter()
        .flat_map(|image| &image.layers)
        .map(|layer| (layer.digest.to_string(), layer.size))
        .collect();
    let uses = docker.uses().await?;
    let shared = Sharing::of(&images);
    let listed = images.iter().map(|image| ImageSummary {
        containers: Some(count(&uses, image)),
        shared_size: Some(shared.bytes(image)),
        ..ImageSummary::of(image, &Filters::default(), version)
    });
    let usage = Usage {
        layers_size: match wants("image") {
            true => layers.values().sum(),
            false => 0,
        },
        images: wants("image").then(|| listed.collect()),
        containers: wants("container").then(|| containers.collect()),
        volumes: wants("volume").then_some([]),
        build_cache: wants("build-cache").then_some([]),
        builder_size: gates::USAGE_BUILDER.then(version, 0),
    };
    Ok(Json(usage).into_response())
}
