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

/// A container's configuration. The fields that are shown as the user wrote them are last.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig<'a> {
    pub hostname: String,
    pub domainname: &'a str,
    pub user: &'a str,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub exposed_ports: Ordered<Empty>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    pub env: &'a [String],
    pub cmd: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<ShownHealthcheck<'a>>,
    pub image: &'a str,
    pub volumes: Option<&'a Ordered<Value>>,
    pub working_dir: &'a str,
    pub entrypoint: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    pub on_build: Option<&'a [String]>,
    pub labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_disabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<&'a [String]>,
}

/// A health check, without fields that are 0.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShownHealthcheck<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}

impl<'a> ContainerConfig<'a> {
    pub(super) fn of(view: &'a ContainerView, version: Version) -> Self {
        let workload = &*view.snapshot.workload;
        let written = &view.shown.config;
        let [stdin, stdout, stderr] = workload.attach;
        let exposed = view.shown.exposed.iter();
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
            healthcheck: workload.health.as_ref().map(ShownHealthcheck::of),
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

impl<'a> ShownHealthcheck<'a> {
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
    let mut written = view.shown.endpoints.values();
    written.find_map(|text| {
        let value: Value = serde_json::from_str(text).ok()?;
        let mac = value.get("MacAddress")?.as_str()?;
        (!mac.is_empty()).then(|| mac.to_owned())
    })
}
