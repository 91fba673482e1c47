//! What Docker shows of images, and which are asked for: pure.

use docker_model::{DockerError, Version, containers::create, filters::Filters, time};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use vch_image_store::{Descriptor, Image, Store, config::Run, reference::Which};
use vch_runtime::workload::HealthCheck;

/// VirtualSize, the same as Size, and an empty Created are gone.
const ONE_SIZE: Version = Version(44);
/// The container that an image was made by is gone.
const NO_CONTAINER: Version = Version(45);
/// A list may have manifests.
pub const MANIFESTS: Version = Version(47);
/// Images have descriptors, and an inspection may have manifests.
pub const DESCRIBED: Version = Version(48);
/// A configuration has its own keys alone.
const OWN_KEYS: Version = Version(50);
/// A list counts the containers.
pub const COUNTED: Version = Version(51);

/// When it was made; 1970 where it does not say.
pub fn created(image: &Image) -> Duration {
    let text = image.config.created.as_deref().unwrap_or_default();
    time::moment(text, Duration::ZERO).unwrap_or_default()
}

/// The image's marks.
pub fn labels(image: &Image) -> BTreeMap<String, String> {
    let run = image.config.config.as_ref();
    run.and_then(|run| run.labels.clone()).unwrap_or_default()
}

/// Its tags, and its digests.
fn names(image: &Image) -> (Vec<String>, Vec<String>) {
    let (tags, digests): (Vec<_>, Vec<_>) = image
        .names
        .iter()
        .partition(|name| matches!(name.which(), Which::Tag(_)));
    let text = |names: Vec<&vch_image_store::Reference>| -> Vec<String> {
        names.into_iter().map(|name| name.familiar()).collect()
    };
    (text(tags), text(digests))
}

/// Those that pass the filters.
///
/// # Errors
/// A filter that is none.
pub fn chosen(
    store: &Store,
    images: Vec<Arc<Image>>,
    filters: &Filters,
) -> Result<Vec<Arc<Image>>, DockerError> {
    filters.only(&["dangling", "label", "before", "since", "reference", "until"])?;
    let dangling = filters
        .switch("dangling")
        .map_err(|_| filters.invalid("dangling"))?;
    let bound = |name: &str| -> Result<Option<Duration>, DockerError> {
        match filters.values(name).next() {
            None => Ok(None),
            Some(text) => Ok(Some(created(&*store.find(text)?))),
        }
    };
    let (before, since) = (bound("before")?, bound("since")?);
    let until = filters
        .until()
        .map_err(|text| DockerError::invalid(format!("invalid filter 'until={text}'")))?;
    let own = |image: &Arc<Image>| {
        let at = created(image);
        let (tags, _) = names(image);
        dangling.is_none_or(|wanted| wanted == tags.is_empty())
            && before.is_none_or(|before| at < before)
            && since.is_none_or(|since| at > since)
            && until.is_none_or(|until| at < until)
            && filters.labels("label", &labels(image))
            && (!filters.has("reference") || tags.iter().any(|tag| is_meant(filters, tag)))
    };
    Ok(images.into_iter().filter(own).collect())
}

/// Whether a name is one that `reference` asks for.
fn is_meant(filters: &Filters, name: &str) -> bool {
    let bare = name.rsplit_once(':').map_or(name, |(bare, _)| bare);
    let mut patterns = filters.values("reference");
    !filters.has("reference")
        || patterns.any(|pattern| matches(pattern, name) || matches(pattern, bare))
}

/// Go's path.Match, of which `*` and `?` are read: neither meets a slash.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if wanted == character || (*wanted == '?' && *character != '/') => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // The last star takes one character more.
                Some((at, from)) if text.get(from) != Some(&'/') => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                _ => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '*')
}

/// What a list shows: of an image's names those that are asked for.
pub fn summary(image: &Image, filters: &Filters, version: Version) -> Value {
    let (mut tags, digests) = names(image);
    tags.retain(|tag| is_meant(filters, tag));
    let mut shown = json!({
        "Containers": -1,
        "Created": created(image).as_secs(),
        "Id": image.id.to_string(),
        "Labels": image.config.config.as_ref().and_then(|run| run.labels.clone()),
        "ParentId": "",
        "RepoDigests": digests,
        "RepoTags": tags,
        "SharedSize": -1,
        "Size": image.bytes,
    });
    if version < ONE_SIZE {
        shown["VirtualSize"] = json!(image.bytes);
    }
    if version >= DESCRIBED {
        shown["Descriptor"] = descriptor(image);
    }
    shown
}

/// What points at its manifest in the store.
fn descriptor(image: &Image) -> Value {
    let Descriptor {
        media_type,
        digest,
        size,
        ..
    } = &image.manifest;
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
}

/// The same, with the machine that it is for.
pub fn platform_descriptor(image: &Image) -> Value {
    let [os, architecture, _] = platform(image);
    let mut shown = descriptor(image);
    shown["platform"] = json!({ "architecture": architecture, "os": os });
    shown
}

/// The manifests of an image: the one for this machine.
pub fn manifests(image: &Image, containers: &[String]) -> Value {
    let descriptor = descriptor(image);
    let packed: u64 = image.layers.iter().map(|layer| layer.size).sum();
    let [os, architecture, _] = platform(image);
    json!([{
        "ID": descriptor["digest"],
        "Descriptor": descriptor,
        "Available": true,
        "Kind": "image",
        "Size": { "Content": packed, "Total": packed + image.bytes },
        "ImageData": {
            "Platform": { "architecture": architecture, "os": os },
            "Containers": containers,
            "Size": { "Unpacked": image.bytes },
        },
    }])
}

/// All that is known of one.
pub fn inspect(image: &Image, version: Version) -> Value {
    let (tags, digests) = names(image);
    let layers = image.config.rootfs.diff_ids.iter();
    let layers: Vec<String> = layers.map(ToString::to_string).collect();
    let history = image.config.history.iter().flatten().next_back();
    let comment = history.and_then(|step| step.comment.clone());
    let configuration = image.config.config.clone().unwrap_or_default();
    let mut shown = json!({
        "Id": image.id.to_string(),
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": comment.unwrap_or_default(),
        "DockerVersion": "",
        "Author": image.config.author.clone().unwrap_or_default(),
        "Config": run(&configuration, version),
        "Architecture": image.config.architecture,
        "Os": image.config.os,
        "Size": image.bytes,
        "GraphDriver": { "Data": null, "Name": "squashfs" },
        "RootFS": { "Type": "layers", "Layers": layers },
        "Metadata": { "LastTagTime": "0001-01-01T00:00:00Z" },
    });
    let created = image.config.created.clone();
    if version < ONE_SIZE {
        shown["VirtualSize"] = json!(image.bytes);
        shown["Created"] = json!(created.unwrap_or_default());
    } else if let Some(created) = created {
        shown["Created"] = json!(created);
    }
    if version < NO_CONTAINER {
        shown["Container"] = json!("");
        shown["ContainerConfig"] = run(&Run::default(), version);
    }
    for key in ["variant", "os.version", "os.features"] {
        if let Some(value) = image.config.others.get(key) {
            let name = match key {
                "variant" => "Variant",
                "os.version" => "OsVersion",
                _ => "OsFeatures",
            };
            shown[name] = value.clone();
        }
    }
    if version >= DESCRIBED {
        shown["Descriptor"] = descriptor(image);
    }
    shown
}

/// A configuration: before 1.50 with all keys of a container's, since then with those that it has.
fn run(run: &Run, version: Version) -> Value {
    let lists = [
        ("Env", json!(run.env)),
        ("Cmd", json!(run.cmd)),
        ("Volumes", json!(run.volumes)),
        ("Entrypoint", json!(run.entrypoint)),
        ("Labels", json!(run.labels)),
    ];
    let texts = [("User", &run.user), ("WorkingDir", &run.working_dir)];
    let mut shown = json!({ "OnBuild": null });
    if version < OWN_KEYS {
        shown = json!({
            "Hostname": "",
            "Domainname": "",
            "AttachStdin": false,
            "AttachStdout": false,
            "AttachStderr": false,
            "Tty": false,
            "OpenStdin": false,
            "StdinOnce": false,
            "Image": "",
            "OnBuild": null,
        });
    }
    for (key, text) in texts {
        shown[key] = json!(text);
    }
    for (key, list) in lists {
        shown[key] = list;
    }
    if let Some(ports) = &run.exposed_ports {
        shown["ExposedPorts"] = json!(ports);
    }
    if let Some(signal) = &run.stop_signal {
        shown["StopSignal"] = json!(signal);
    }
    for (key, value) in &run.others {
        shown[key.as_str()] = value.clone();
    }
    shown
}

/// How it was made, the last step first.
pub fn history(image: &Image) -> Value {
    let (tags, _) = names(image);
    let steps: Vec<_> = image.config.history.iter().flatten().rev().collect();
    // Only the whole image's size is known: it is its last layer's that made one.
    let sized = steps.iter().position(|step| !step.empty_layer);
    let shown = steps.iter().enumerate().map(|(index, step)| {
        let at = step.created.as_deref().unwrap_or_default();
        let at = time::moment(at, Duration::ZERO).unwrap_or_default();
        json!({
            "Comment": step.comment.clone().unwrap_or_default(),
            "Created": at.as_secs(),
            "CreatedBy": step.created_by.clone().unwrap_or_default(),
            "Id": match index {
                0 => image.id.to_string(),
                _ => "<missing>".to_owned(),
            },
            "Size": match sized == Some(index) {
                true => image.bytes,
                false => 0,
            },
            "Tags": match index {
                0 if !tags.is_empty() => json!(tags),
                _ => Value::Null,
            },
        })
    });
    shown.collect()
}

/// What a container made of it takes after it.
pub fn for_container(image: &Image) -> create::Image {
    let run = image.config.config.clone().unwrap_or_default();
    let ports = run.exposed_ports.unwrap_or_default();
    create::Image {
        id: image.id.to_string(),
        user: run.user,
        exposed: ports.into_keys().collect(),
        environment: run.env.unwrap_or_default(),
        entrypoint: run.entrypoint.unwrap_or_default(),
        command: run.cmd.unwrap_or_default(),
        dir: run.working_dir,
        labels: run.labels.unwrap_or_default(),
        stop_signal: run.stop_signal.unwrap_or_default(),
        health: run.others.get("Healthcheck").and_then(health),
        volumes: run.volumes.unwrap_or_default().into_keys().collect(),
        platform: platform(image),
    }
}

/// The image's operating system, architecture and variant.
fn platform(image: &Image) -> [String; 3] {
    let config = &image.config;
    let text = |text: &str| text.to_ascii_lowercase();
    [
        text(&config.os),
        text(&config.architecture),
        text(
            config
                .others
                .get("variant")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        ),
    ]
}

fn health(value: &Value) -> Option<HealthCheck> {
    let number = |key: &str| value.get(key).and_then(Value::as_i64).unwrap_or(0);
    let test = value.get("Test")?.as_array()?;
    let test = test
        .iter()
        .filter_map(|word| Some(word.as_str()?.to_owned()));
    Some(HealthCheck {
        test: test.collect(),
        interval_ns: number("Interval"),
        timeout_ns: number("Timeout"),
        start_period_ns: number("StartPeriod"),
        start_interval_ns: number("StartInterval"),
        retries: number("Retries"),
    })
}

#[cfg(test)]
mod tests;
