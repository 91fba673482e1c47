//! Images: pulled, loaded, listed, inspected, named, removed.
//!
//! What comes in is read by the store's own process without privileges; its progress goes to the client
//! as it comes, one JSON line each.

mod distribution;
mod login;
mod pull;
mod response;
mod sharing;

use super::{Docker, Json, Parameters, Path, events::EventKind};
use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing,
};
use docker_model::{DockerError, Version, containers::create, filters::Filters};
use serde_json::{Value, json};
use sharing::Sharing;
use std::{collections::BTreeMap, sync::Arc};
use vch_image_store::{
    Image, ImageError, Reference,
    store::{Removed, Use},
};

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
        // A name may have slashes: what is asked of it stands behind its last one.
        .route("/images/{*name}", routing::any(one))
}

impl Docker {
    /// What a container made of an image takes after it.
    ///
    /// # Errors
    /// There is no such image.
    pub fn image(&self, name: &str) -> Result<create::Image, DockerError> {
        Ok(response::for_container(&*self.images.find(name)?))
    }

    /// The manifest of a container's image, where the image is still there and the version shows it.
    pub fn image_descriptor(&self, id: &str, version: Version) -> Option<Value> {
        let image = self.images.find(id).ok()?;
        (version >= response::DESCRIBED).then(|| response::platform_descriptor(&image))
    }

    /// Which containers are made of which image.
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

    /// Tells that something happened to an image.
    fn tell_image(&self, action: &str, id: &str, name: &str) {
        let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        self.events
            .tell_now(EventKind::Image, action, id, attributes);
    }

    /// The records of a removal, as Docker has them; and tells of them.
    fn removed(&self, records: &[Removed]) -> Vec<Value> {
        let one = |record: &Removed| match record {
            Removed::Untagged(name) => {
                self.tell_image("untag", name, name);
                json!({ "Untagged": name })
            }
            Removed::Deleted(id) => {
                self.tell_image("delete", id, id);
                json!({ "Deleted": id })
            }
        };
        records.iter().map(one).collect()
    }
}

async fn list(
    State(docker): State<Docker>,
    version: Version,
    parameters: Parameters,
) -> Result<Json<Value>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    let images = docker.images.list();
    let shared = parameters.flag("shared-size").then(|| Sharing::of(&images));
    let mut chosen = response::chosen(&docker.images, images, &filters)?;
    chosen.sort_by_key(|image| std::cmp::Reverse(response::created(image)));
    let uses = match version >= response::COUNTED {
        true => Some(docker.uses().await?),
        false => None,
    };
    let manifests = parameters.flag("manifests");
    let shown = chosen.iter().map(|image| {
        let mut summary = response::summary(image, &filters, version);
        if let Some(uses) = &uses {
            let used = uses.iter().filter(|one| one.image == image.id).count();
            summary["Containers"] = json!(used);
        }
        if let Some(shared) = &shared {
            summary["SharedSize"] = json!(shared.bytes(image));
        }
        if manifests && version >= response::MANIFESTS {
            let used = docker_uses(uses.as_deref(), image);
            summary["Manifests"] = response::manifests(image, &used);
        }
        summary
    });
    Ok(Json(shown.collect()))
}

/// Containers of an image, where they were asked for.
fn docker_uses(uses: Option<&[Use]>, image: &Image) -> Vec<String> {
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

/// What is asked of one image, by the method and what stands behind its name.
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
    let answer = match (method, what) {
        (Method::GET, "json") => {
            let image = find()?;
            let mut answer = response::inspect(&image, version);
            if parameters.flag("manifests") && version >= response::DESCRIBED {
                let used = docker_uses(Some(&docker.uses().await?), &image);
                answer["Manifests"] = response::manifests(&image, &used);
            }
            answer
        }
        (Method::GET, "history") => response::history(&*find()?),
        (Method::POST, "tag") => {
            tag(&docker, bare, &parameters).await?;
            return Ok(StatusCode::CREATED.into_response());
        }
        (Method::GET, "get") => return Err(save().await),
        (Method::POST, "push") => {
            let remedy = "push it from where it was built";
            return Err(DockerError::unsupported("pushing images", remedy));
        }
        (Method::DELETE, _) => {
            let uses = docker.uses().await?;
            let force = parameters.flag("force");
            let records = docker.images.remove(&name, force, uses).await?;
            json!(docker.removed(&records))
        }
        _ => return Err(DockerError::page_not_found()),
    };
    Ok(Json(answer).into_response())
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
) -> Result<Json<Value>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    filters.only(&["dangling", "label", "label!", "until"])?;
    // Without a word only those without a name.
    let all = !filters
        .switch("dangling")
        .map_err(|_| filters.invalid("dangling"))?
        .unwrap_or(true);
    let until = filters.until().map_err(|text| {
        DockerError::invalid(format!(
            "invalid filter 'until={text}': give a time or an age"
        ))
    })?;
    let wanted = move |image: &Image| {
        until.is_none_or(|until| response::created(image) < until)
            && filters.prunes(&response::labels(image))
    };
    let uses = docker.uses().await?;
    let (records, freed) = docker.images.prune(all, uses, wanted).await?;
    let removed = match docker.removed(&records) {
        none if none.is_empty() => Value::Null,
        all => json!(all),
    };
    Ok(Json(
        json!({ "ImagesDeleted": removed, "SpaceReclaimed": freed }),
    ))
}

/// From this version on only what is asked for is counted.
const BY_TYPE: Version = Version(42);

/// `docker system df`.
async fn usage(
    State(docker): State<Docker>,
    version: Version,
    parameters: Parameters,
) -> Result<Json<Value>, DockerError> {
    let wanted: Vec<&str> = parameters
        .all("type")
        .filter(|kind| !kind.is_empty() && version >= BY_TYPE)
        .collect();
    let known = ["container", "image", "volume", "build-cache"];
    if let Some(other) = wanted.iter().find(|kind| !known.contains(kind)) {
        let shown: String = other.chars().take(100).collect();
        return Err(DockerError::invalid(format!(
            "unknown object type: {shown}"
        )));
    }
    let containers = docker.summaries(version).await?;
    let images: Vec<Arc<Image>> = docker.images.list();
    let layers: BTreeMap<String, u64> = images
        .iter()
        .flat_map(|image| &image.layers)
        .map(|layer| (layer.digest.to_string(), layer.size))
        .collect();
    let uses = docker.uses().await?;
    let shared = Sharing::of(&images);
    let shown = images.iter().map(|image| {
        let mut summary = response::summary(image, &Filters::default(), version);
        let used = uses.iter().filter(|one| one.image == image.id).count();
        if let Some(map) = summary.as_object_mut() {
            map.insert("Containers".to_owned(), json!(used));
            map.insert("SharedSize".to_owned(), json!(shared.bytes(image)));
        }
        summary
    });
    let mut usage = json!({
        "LayersSize": layers.values().sum::<u64>(),
        "Images": shown.collect::<Vec<_>>(),
        "Containers": containers,
        "Volumes": [],
        "BuildCache": [],
    });
    let of = [
        ("container", &["Containers"][..]),
        ("image", &["Images", "LayersSize"]),
        ("volume", &["Volumes"]),
        ("build-cache", &["BuildCache"]),
    ];
    let unwanted = of
        .into_iter()
        .filter(|(kind, _)| !wanted.is_empty() && !wanted.contains(kind));
    for key in unwanted.flat_map(|(_, keys)| keys) {
        usage[*key] = match *key {
            "LayersSize" => json!(0),
            _ => Value::Null,
        };
    }
    // Gone from the API since 1.42.
    if let (Some(map), true) = (usage.as_object_mut(), version < Version(42)) {
        map.insert("BuilderSize".to_owned(), json!(0));
    }
    Ok(Json(usage))
}
