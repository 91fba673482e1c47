//! The responses to `GET /images/{name}/json` (`docker image inspect`) and `GET /images/{name}/history`.

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

/// The complete description of an image, as `docker image inspect` shows it. Keys that only some API versions have
/// are last.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageInspect {
    /// The image's ID, `sha256:…`: the digest of its configuration.
    pub id: String,
    /// The image's names with tags, such as `nginx:latest`; empty without any.
    pub repo_tags: Vec<String>,
    /// The image's names with digests, such as `nginx@sha256:…`; empty without any.
    pub repo_digests: Vec<String>,
    /// The ID of the image that this one was built from. Always empty.
    pub parent: &'static str,
    /// The comment on the last step of the image's history; empty without one.
    pub comment: String,
    /// The version of Docker that built the image. Always empty.
    pub docker_version: &'static str,
    /// The image's author; empty without one.
    pub author: String,
    /// The settings that a container inherits.
    pub config: ImageConfig,
    /// The processor architecture, such as `amd64`.
    pub architecture: String,
    /// The operating system, such as `linux`.
    pub os: String,
    /// The sum of the sizes of the files in all unpacked layers, in bytes; 0 if it is not known.
    pub size: u64,
    /// The storage driver: its name `squashfs`, without further data.
    pub graph_driver: GraphDriver,
    /// The digests of the image's layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// Data that this VCH, not the image's configuration, has about the image: when it was tagged.
    pub metadata: Metadata,
    /// The same as [`ImageInspect::size`]; `None` (the key is left out) since API 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<u64>,
    /// When the image was created, as its configuration has it, usually in RFC 3339. If that is unknown: empty up
    /// to API 1.43, later `None` (the key is left out).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The ID of the container that the image was made from: always empty. `None` (the key is left out) since API
    /// 1.45.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<&'static str>,
    /// The settings of the container that the image was made from: always empty ones. `None` (the key is left out)
    /// since API 1.45.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_config: Option<ImageConfig>,
    /// The variant of the architecture, as the image's configuration has it; `None` (the key is left out) if it has
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Value>,
    /// The version of the operating system, as the image's configuration has it; `None` (the key is left out) if it
    /// has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<Value>,
    /// Required features of the operating system, as the image's configuration has them; `None` (the key is left
    /// out) if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_features: Option<Value>,
    /// The descriptor of the image's manifest: media type, digest and size. `None` (the key is left out) up to API
    /// 1.47.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    /// The image's manifests; `None` (the key is left out) unless the client asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifests: Option<[ImageManifest; 1]>,
}

/// The layers of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    /// The kind of root file system. Always `layers`.
    pub r#type: &'static str,
    /// The digests of the unpacked layers, `sha256:…`, the lowest first.
    pub layers: Vec<String>,
}

/// Data that this VCH, not the image's configuration, has about an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metadata {
    /// When the image was last tagged. Always [`NEVER`]: a VCH does not store it.
    pub last_tag_time: &'static str,
}

/// The `Config` of an image: the settings that a container inherits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageConfig {
    /// The keys that only containers use; `None` (the keys are left out) since API 1.50.
    #[serde(flatten)]
    pub of_containers: Option<ContainerKeys>,
    /// Instructions for builds from the image, as its configuration has them; null without any.
    pub on_build: Value,
    /// The process's user, and its group behind a colon; empty for root.
    pub user: String,
    /// The working directory; empty for `/`.
    pub working_dir: String,
    /// Environment variables as `NAME=value`; `None`, shown as null, if the configuration has none.
    pub env: Option<Vec<String>>,
    /// The arguments of the entrypoint, or the whole command without one; `None`, shown as null, if the
    /// configuration has none.
    pub cmd: Option<Vec<String>>,
    /// The paths that the image declares as volumes, as keys; the values are those of the configuration. `None`, shown
    /// as null, if the configuration has none.
    pub volumes: Option<BTreeMap<String, Value>>,
    /// The program and its first arguments; `None`, shown as null, if the configuration has none.
    pub entrypoint: Option<Vec<String>>,
    /// The image's labels; `None`, shown as null, if the configuration has none.
    pub labels: Option<BTreeMap<String, String>>,
    /// The ports that a container listens at, as keys such as `80/tcp`; the values are those of the configuration.
    /// `None` (the key is left out) if the configuration has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Value>>,
    /// The signal that asks a container to end; `None` (the key is left out) for SIGTERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Further keys of the configuration's `Config`, such as `Healthcheck`, with their values and in their order.
    #[serde(flatten)]
    pub others: Ordered<Value>,
}

/// Keys of `Config` that only containers use, and that API versions up to 1.49 also show for images. Each has the value
/// of the key of the same name in the image's configuration, whatever its type; a missing text is empty and a missing
/// switch is false.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerKeys {
    /// The `Hostname` in the image's configuration, without effect; an empty text if it has none.
    pub hostname: Value,
    /// The `Domainname` in the image's configuration, without effect; an empty text if it has none.
    pub domainname: Value,
    /// The `AttachStdin` in the image's configuration, without effect; false if it has none.
    pub attach_stdin: Value,
    /// The `AttachStdout` in the image's configuration, without effect; false if it has none.
    pub attach_stdout: Value,
    /// The `AttachStderr` in the image's configuration, without effect; false if it has none.
    pub attach_stderr: Value,
    /// The `Tty` in the image's configuration, without effect; false if it has none.
    pub tty: Value,
    /// The `OpenStdin` in the image's configuration, without effect; false if it has none.
    pub open_stdin: Value,
    /// The `StdinOnce` in the image's configuration, without effect; false if it has none.
    pub stdin_once: Value,
    /// The `Image` in the image's configuration, the image that it was built from, without effect; an empty text if it
    /// has none.
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
    /// Returns the complete description of an image for a client of an API version. The caller sets
    /// [`ImageInspect::manifests`], which is `None` here.
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

/// A step of an image's history: usually one instruction of its Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryStep {
    /// The comment on the step; empty without one.
    pub comment: String,
    /// When the step was made, in seconds since 1970; 0 if that is unknown.
    pub created: u64,
    /// The command that made the step; empty if it is unknown.
    pub created_by: String,
    /// The image's ID at the last step; `<missing>` at the others, as in dockerd.
    pub id: String,
    /// The bytes of the files of the step's layer. A VCH knows only the sum of all layers: it is shown at the last step
    /// that made a layer, and 0 at the others.
    pub size: u64,
    /// The image's names at the last step; `None`, shown as null, at the others and without names.
    pub tags: Option<Vec<String>>,
}

/// Returns the history in an image's configuration, the last step first; empty if the configuration has none.
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
