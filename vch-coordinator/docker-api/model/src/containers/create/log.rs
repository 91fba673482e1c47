//! The log configuration of a container.

use crate::{
    DockerError,
    containers::{body::HostConfig, create::refused::refuse, document::ContainerDocument},
};
use std::collections::BTreeMap;
use vch_runtime::{size_bytes, workload::Workload};

/// dockerd's log drivers.
const DRIVERS: [&str; 10] = [
    "awslogs",
    "etwlogs",
    "fluentd",
    "gcplogs",
    "gelf",
    "journald",
    "json-file",
    "local",
    "splunk",
    "syslog",
];
/// The options of dockerd's json-file driver that a VCH does not support.
const OTHERS: [&str; 8] = [
    "compress",
    "env",
    "env-regex",
    "labels",
    "labels-regex",
    "tag",
    "mode",
    "max-buffer-size",
];

/// The driver without a readable log.
const NONE: &str = "none";

/// Returns whether `docker logs` can read a container's log: true unless the container was created with the log
/// driver `none`.
pub fn is_read(workload: &Workload) -> bool {
    let document = ContainerDocument::of(workload);
    let log = document.host.log_config;
    log.is_none_or(|log| log.r#type != NONE)
}

/// Returns the options of a container's log.
pub fn options(host: &HostConfig) -> BTreeMap<String, String> {
    match host.log_config.r#type.as_str() {
        NONE => BTreeMap::new(),
        _ => host.log_config.config.clone(),
    }
}

/// Checks that the VCH supports the log configuration: files of a maximum size and number.
///
/// # Errors
/// Returns 400 for an unknown driver, option or value, and 501 for those that only dockerd supports.
pub fn check(host: &HostConfig) -> Result<(), DockerError> {
    let log = &host.log_config;
    let driver = log.r#type.as_str();
    // The output is logged nevertheless, for attached clients; only `docker logs` does not show it.
    // As in dockerd, the driver's options are not checked.
    if driver == NONE {
        return Ok(());
    }
    if !matches!(driver, "" | "json-file" | "local") {
        if !DRIVERS.contains(&driver) {
            let shown: String = driver.chars().take(100).collect();
            return Err(DockerError::invalid(format!(
                "error looking up logging plugin {shown}: plugin \"{shown}\" not found"
            )));
        }
        let remedy = "what a container writes is kept on the VCH: use json-file";
        return Err(refuse("HostConfig.LogConfig.Type", driver, remedy));
    }
    let driver = if driver.is_empty() {
        "json-file"
    } else {
        driver
    };
    for (key, value) in &log.config {
        match key.as_str() {
            "max-size" if size_bytes(value).is_some_and(|size| size > 0) => {}
            "max-file" if value.parse::<u32>().is_ok_and(|count| count > 0) => {}
            "max-file" if value.parse::<i64>().is_ok() => {
                return Err(DockerError::invalid("max-file cannot be less than 1"));
            }
            // These values describe what the VCH does anyway: a container waits until its output is
            // logged.
            "mode" if value == "blocking" => {}
            "compress" if value == "false" => {}
            "max-size" | "max-file" => {
                let shown: String = value.chars().take(100).collect();
                return Err(DockerError::invalid(format!(
                    "invalid value for log opt '{key}': '{shown}': give a size as 10m for max-size, a number for max-file"
                )));
            }
            other if OTHERS.contains(&other) => {
                let remedy = "use max-size and max-file";
                let field = format!("HostConfig.LogConfig.Config {other}");
                return Err(refuse(&field, value, remedy));
            }
            other => {
                let shown: String = other.chars().take(100).collect();
                return Err(DockerError::invalid(format!(
                    "unknown log opt '{shown}' for {driver} log driver"
                )));
            }
        }
    }
    Ok(())
}
