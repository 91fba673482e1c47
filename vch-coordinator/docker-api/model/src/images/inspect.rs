//! `GET /images/{name}/json` and its history.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use crate::{
    Version,
    containers::status::NEVER,
    gates,
    images::{descriptor, manifest::ImageManifest, named::names},
    json::{GRAPH_DRIVER, GraphDriver, Ordered},
    time,
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use vch_image_store::{Descriptor, Image, config::Run};

/// The complete description of an image. Keys that exist only in some versions are last.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageInspect {
    pub id: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub parent: &'static str,
    pub comment: String,
    pub docker_version: &'static str,
    pub author: String,
    pub config: ImageConfig,
    pub architecture: String,
    pub os: String,
    pub size: u64,
    pub graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    pub metadata: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_config: Option<ImageConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_features: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifests: Option<[ImageManifest; 1]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    pub r#type: &'static str,
    pub layers: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metadata {
    pub last_tag_time: &'static str,
}

/// The configuration of an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageConfig {
    #[serde(flatten)]
    pub of_containers: Option<ContainerKeys>,
    pub on_build: Value,
    pub user: String,
    pub working_dir: String,
    pub env: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub volumes: Option<BTreeMap<String, Value>>,
    pub entrypoint: Option<Vec<String>>,
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Further keys of the image's configuration.
    #[serde(flatten)]
    pub others: Ordered<Value>,
}

/// Keys that only containers' configurations have, and that older versions also show for images. An
/// old builder may have written any value, which is shown as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerKeys {
    pub hostname: Value,
    pub domainname: Value,
    pub attach_stdin: Value,
    pub attach_stdout: Value,
    pub attach_stderr: Value,
    pub tty: Value,
    pub open_stdin: Value,
    pub stdin_once: Value,
    pub image: Value,
}

/// The names of [`ContainerKeys`].
const CONTAINER_KEYS: [&str; 9] = [
    "Hostname",
    "Domainname",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Image",
];

impl ImageInspect {
    /// Returns the complete description of an image, without its manifests.
    pub fn of(image: &Image, version: Version) -> Self {
        let (repo_tags, repo_digests) = names(image);
        let layers = image.config.rootfs.diff_ids.iter();
        let history = image.config.history.iter().flatten().next_back();
        let comment = history.and_then(|step| step.comment.clone());
        let created = image.config.created.clone();
        let or_empty = gates::IMAGE_VIRTUAL_SIZE.then(version, String::new());
        let run = image.config.config.clone().unwrap_or_default();
        let by_container = gates::IMAGE_CONTAINER.is_open(version);
        let other = |key: &str| image.config.others.get(key).cloned();
        Self {
            id: image.id.to_string(),
            repo_tags,
            repo_digests,
            parent: "",
            comment: comment.unwrap_or_default(),
            docker_version: "",
            author: image.config.author.clone().unwrap_or_default(),
            config: ImageConfig::of(run, version),
            architecture: image.config.architecture.clone(),
            os: image.config.os.clone(),
            size: image.bytes,
            graph_driver: GRAPH_DRIVER,
            root_fs: RootFs {
                r#type: "layers",
                layers: layers.map(ToString::to_string).collect(),
            },
            metadata: Metadata {
                last_tag_time: NEVER,
            },
            virtual_size: gates::IMAGE_VIRTUAL_SIZE.then(version, image.bytes),
            created: created.or(or_empty),
            container: by_container.then_some(""),
            container_config: by_container.then(|| ImageConfig::of(Run::default(), version)),
            variant: other("variant"),
            os_version: other("os.version"),
            os_features: other("os.features"),
            descriptor: gates::IMAGE_DESCRIPTOR.then(version, descriptor(image)),
            manifests: None,
        }
    }
}

impl ImageConfig {
    fn of(run: Run, version: Version) -> Self {
        let with_containers_keys = gates::IMAGE_CONTAINER_KEYS.is_open(version);
        let others = run.others.iter().filter(|(key, _)| {
            let own = with_containers_keys && CONTAINER_KEYS.contains(&key.as_str());
            !own && key.as_str() != "OnBuild"
        });
        let others = others.map(|(key, value)| (key.clone(), value.clone()));
        Self {
            of_containers: with_containers_keys.then(|| ContainerKeys::of(&run)),
            on_build: run.others.get("OnBuild").cloned().unwrap_or_default(),
            others: others.collect(),
            user: run.user,
            working_dir: run.working_dir,
            env: run.env,
            cmd: run.cmd,
            volumes: run.volumes,
            entrypoint: run.entrypoint,
            labels: run.labels,
            exposed_ports: run.exposed_ports,
            stop_signal: run.stop_signal,
        }
    }
}

impl ContainerKeys {
    fn of(run: &Run) -> Self {
        let or = |key: &str, default: Value| run.others.get(key).cloned().unwrap_or(default);
        let text = |key| or(key, "".into());
        let switch = |key| or(key, false.into());
        Self {
            hostname: text("Hostname"),
            domainname: text("Domainname"),
            attach_stdin: switch("AttachStdin"),
            attach_stdout: switch("AttachStdout"),
            attach_stderr: switch("AttachStderr"),
            tty: switch("Tty"),
            open_stdin: switch("OpenStdin"),
            stdin_once: switch("StdinOnce"),
            image: text("Image"),
        }
    }
}

/// A step of an image's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryStep {
    pub comment: String,
    pub created: u64,
    pub created_by: String,
    pub id: String,
    pub size: u64,
    pub tags: Option<Vec<String>>,
}

/// Returns the history of an image, the last step first.
pub fn history(image: &Image) -> Vec<HistoryStep> {
    let (tags, _) = names(image);
    let steps: Vec<_> = image.config.history.iter().flatten().rev().collect();
    // Only the size of the whole image is known. It is shown at the last step that made a layer.
    let sized = steps.iter().position(|step| !step.empty_layer);
    let shown = steps.iter().enumerate().map(|(index, step)| {
        let at = step.created.as_deref().unwrap_or_default();
        let at = time::moment(at, Duration::ZERO).unwrap_or_default();
        HistoryStep {
            comment: step.comment.clone().unwrap_or_default(),
            created: at.as_secs(),
            created_by: step.created_by.clone().unwrap_or_default(),
            id: match index {
                0 => image.id.to_string(),
                _ => "<missing>".to_owned(),
            },
            size: match sized == Some(index) {
                true => image.bytes,
                false => 0,
            },
            tags: (index == 0 && !tags.is_empty()).then(|| tags.clone()),
        }
    });
    shown.collect()
}
