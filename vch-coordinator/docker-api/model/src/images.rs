//! Images in Docker's API: the responses, the selection of images, and the settings that a container inherits.

pub mod chosen;
pub mod inspect;
pub mod manifest;
mod named;
pub mod progress;
pub mod summary;

use crate::{containers::create, time};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use vch_image_store::{Descriptor, Image};
use vch_runtime::workload::HealthCheck;

/// Returns when an image was created, as the time since 1970; 0 if its configuration has no such time, or one that is
/// not valid.
pub fn created(image: &Image) -> Duration {
    let text = image.config.created.as_deref().unwrap_or_default();
    time::moment(text, Duration::ZERO).unwrap_or_default()
}

/// Returns the labels in an image's configuration; empty if it has none.
pub fn labels(image: &Image) -> BTreeMap<String, String> {
    let run = image.config.config.as_ref();
    run.and_then(|run| run.labels.clone()).unwrap_or_default()
}

/// Returns the descriptor of the image's manifest in the store.
fn descriptor(image: &Image) -> Descriptor {
    let Descriptor {
        media_type,
        digest,
        size,
        ..
    } = &image.manifest;
    Descriptor {
        media_type: media_type.clone(),
        digest: *digest,
        size: *size,
        platform: None,
        annotations: BTreeMap::new(),
    }
}

/// Returns the settings that a container inherits from its image, out of the image's configuration. Settings that it
/// lacks are empty.
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

/// Returns the image's operating system, architecture and variant.
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
