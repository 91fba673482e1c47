//! `Config` of inspect: the container's configuration.

use super::{key, list};
use crate::{
    Version,
    containers::view::ContainerView,
    gates,
    json::{Empty, Ordered},
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use vch_runtime::workload::HealthCheck;

/// Docker's `Config` of a container: its process as it is in force, merged from the request and the image. Settings
/// without effect are last, as the client wrote them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig<'a> {
    /// The container's host name as the client wrote it; the first 12 digits of its ID if the client wrote none.
    pub hostname: String,
    /// The domain of the host name; may be empty.
    pub domainname: &'a str,
    /// The process's user, and its group behind a colon; empty for root.
    pub user: &'a str,
    /// Whether the creating client attached to standard input.
    pub attach_stdin: bool,
    /// Whether the creating client attached to standard output.
    pub attach_stdout: bool,
    /// Whether the creating client attached to standard error.
    pub attach_stderr: bool,
    /// The exposed ports of the request and the image, as keys such as `80/tcp`; the values are empty objects.
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub exposed_ports: Ordered<Empty>,
    /// Whether the process has a terminal. If false, its standard output and standard error are separate streams.
    pub tty: bool,
    /// Whether the process has a standard input that clients can write to, and that stays open while no client is
    /// attached. If false, standard input is empty.
    pub open_stdin: bool,
    /// Whether standard input closes when the first attached client leaves. If false, it stays open for later clients.
    pub stdin_once: bool,
    /// Environment variables as `NAME=value`: the request's, then the image's that the request does not replace.
    pub env: &'a [String],
    /// The arguments of the entrypoint, or the whole command without an entrypoint; `None`, shown as null, if
    /// empty.
    pub cmd: Option<&'a [String]>,
    /// The health check, merged from the request and the image; `None` (the key is left out) if neither has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthcheckResponse<'a>>,
    /// The image as the client named it.
    pub image: &'a str,
    /// The paths that the request and the image declare as volumes, as keys; `None`, shown as null, without any.
    pub volumes: Option<&'a Ordered<Value>>,
    /// The working directory; empty for `/`.
    pub working_dir: &'a str,
    /// The program and its first arguments; `None`, shown as null, if empty.
    pub entrypoint: Option<&'a [String]>,
    /// The MAC address that the client chose; `None` (the key is left out) if it chose none and since API 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Instructions for builds from an image of this container, as the client wrote them; `None`, shown as null,
    /// without any.
    pub on_build: Option<&'a [String]>,
    /// The labels of the image and the request.
    pub labels: &'a BTreeMap<String, String>,
    /// The signal that asks the container to end; `None` (the key is left out) for SIGTERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<&'a str>,
    /// Seconds between the stop signal and SIGKILL, negative for no SIGKILL; `None` (the key is left out) for 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// `true` if the client disabled the network; otherwise `None` (the key is left out).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_disabled: Option<bool>,
    /// The shell of Dockerfile's `RUN`, as the client wrote it; `None` (the key is left out) if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<&'a [String]>,
}

/// A container's health check as `docker inspect` shows it. A setting that is 0 is left out; Docker's default holds
/// for it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthcheckResponse<'a> {
    /// The check: `NONE`; `CMD` and arguments; or `CMD-SHELL` and one shell command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<&'a [String]>,
    /// Nanoseconds between two checks; `None` for 30 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// Nanoseconds that a check may take; `None` for 30 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Nanoseconds after the start in which failures do not count; `None` for no such period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    /// Nanoseconds between two checks in the start period; `None` for 5 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    /// The number of failures in a row after which the container is unhealthy; `None` for 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}

impl<'a> ContainerConfig<'a> {
    pub(super) fn of(view: &'a ContainerView, version: Version) -> Self {
        let workload = &*view.snapshot.workload;
        let written = &view.document.config;
        let [stdin, stdout, stderr] = workload.attach;
        let exposed = view.document.exposed.iter();
        let mac_address = gates::CONFIG_MAC.is_open(version);
        Self {
            hostname: hostname(view),
            domainname: &workload.domain,
            user: &workload.user,
            attach_stdin: stdin,
            attach_stdout: stdout,
            attach_stderr: stderr,
            exposed_ports: exposed.map(|port| (key(port), Empty {})).collect(),
            tty: workload.terminal,
            open_stdin: workload.input,
            stdin_once: workload.input_once,
            env: &workload.environment,
            cmd: list(&workload.command),
            healthcheck: workload.health.as_ref().map(HealthcheckResponse::of),
            image: &workload.image_name,
            volumes: Some(&written.volumes).filter(|volumes| !volumes.is_empty()),
            working_dir: &workload.dir,
            entrypoint: list(&workload.entrypoint),
            mac_address: mac_address.then(|| written_mac(view)).flatten(),
            on_build: list(&written.on_build),
            labels: &workload.labels,
            stop_signal: workload.stop_signal.as_deref(),
            stop_timeout: workload.stop_timeout,
            network_disabled: written.network_disabled,
            shell: list(&written.shell),
        }
    }
}

impl<'a> HealthcheckResponse<'a> {
    fn of(health: &'a HealthCheck) -> Self {
        let number = |number: i64| (number != 0).then_some(number);
        Self {
            test: list(&health.test),
            interval: number(health.interval_ns),
            timeout: number(health.timeout_ns),
            start_period: number(health.start_period_ns),
            start_interval: number(health.start_interval_ns),
            retries: number(health.retries),
        }
    }
}

/// Returns the host name as the user wrote it. The ledger stores it together with the domain.
fn hostname(view: &ContainerView) -> String {
    match &view.snapshot.workload.hostname {
        Some(written) => written.clone(),
        None => view.snapshot.container.hostname.to_string(),
    }
}

/// Returns the MAC address that the user chose; `None` if the user chose none.
fn written_mac(view: &ContainerView) -> Option<String> {
    let mut written = view.document.endpoints.values();
    written.find_map(|text| {
        let value: Value = serde_json::from_str(text).ok()?;
        let mac = value.get("MacAddress")?.as_str()?;
        (!mac.is_empty()).then(|| mac.to_owned())
    })
}
