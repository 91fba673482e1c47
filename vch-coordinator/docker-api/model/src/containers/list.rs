//! Selects the containers of a list, `GET /containers/json` (`docker ps`).

use crate::{
    DockerError,
    containers::{status, view::ContainerView},
    filters::Filters,
};
use std::ops::RangeInclusive;
use vch_ledger::Protocol;
use vch_runtime::workload::Status;

const KNOWN: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];
const STATES: &[&str] = &[
    "paused",
    "restarting",
    "removing",
    "running",
    "dead",
    "created",
    "exited",
];
const HEALTHS: &[&str] = &["starting", "healthy", "unhealthy", "none"];

/// The query parameters of a list of containers.
#[derive(Clone, Debug, Default)]
pub struct ListParams {
    /// Whether to include containers that do not run. If false, the list has only those that run or wait for their
    /// restart, unless a limit or one of the filters `status`, `exited`, `before` and `since` is set.
    pub all: bool,
    /// The maximum number of containers, running or not; 0 for no maximum. Another value includes containers that
    /// do not run.
    pub limit: usize,
    /// The filters; a container must match all of them.
    pub filters: Filters,
}

/// Returns the containers of `all` that match the parameters, in the same order, and at most as many as the limit.
/// `all` must be ordered by age, the newest first.
///
/// # Errors
/// Returns 400 if a filter is unknown or its value is not valid, and 404 if `before` or `since` names no container.
pub fn chosen<'a>(
    all: &'a [ContainerView],
    params: &ListParams,
) -> Result<Vec<&'a ContainerView>, DockerError> {
    let filters = &params.filters;
    filters.only(KNOWN)?;
    if let Some(value) = filters
        .values("status")
        .find(|value| !STATES.contains(value))
    {
        return Err(DockerError::invalid(format!(
            "invalid filter 'status={value}'"
        )));
    }
    if let Some(value) = filters
        .values("health")
        .find(|value| !HEALTHS.contains(value))
    {
        return Err(DockerError::invalid(format!(
            "unrecognized filter value for health: {value}"
        )));
    }
    let mut codes = Vec::new();
    for text in filters.values("exited") {
        let code: i32 = text.parse().map_err(|_| {
            DockerError::invalid(format!(
                "invalid filter 'exited={text}': strconv.Atoi: parsing \"{text}\": invalid syntax"
            ))
        })?;
        codes.push(code);
    }
    for name in ["publish", "expose"] {
        let range = |text: &str| port_range(text).is_none();
        if let Some(text) = filters.values(name).find(|text| range(text)) {
            return Err(DockerError::invalid(format!(
                "invalid filter '{name}={text}': write 80, 80/udp or 8000-8010"
            )));
        }
    }
    let bound = |name: &str| -> Result<Option<(u64, String)>, DockerError> {
        let Some(text) = filters.values(name).next() else {
            return Ok(None);
        };
        let found = all.iter().find(|view| names(view, text));
        let view =
            found.ok_or_else(|| DockerError::not_found(format!("No such container: {text}")))?;
        let container = &view.snapshot.container;
        Ok(Some((container.created_ms, container.id.to_string())))
    };
    let (before, since) = (bound("before")?, bound("since")?);
    let task = filters
        .switch("is-task")
        .map_err(|_| filters.invalid("is-task"))?
        .unwrap_or(false);
    let everything = params.all
        || params.limit > 0
        || ["status", "exited", "before", "since"]
            .iter()
            .any(|name| filters.has(name));
    let own = |view: &&ContainerView| {
        let container = &view.snapshot.container;
        let at = (container.created_ms, container.id.to_string());
        let exited = view.snapshot.run_state.status == Status::Exited
            && codes.contains(&view.snapshot.run_state.exit_code);
        (everything
            || view.snapshot.run_state.status == Status::Running
            || view.snapshot.run_state.status == Status::Restarting)
            && !task
            && before.as_ref().is_none_or(|before| at < *before)
            && since.as_ref().is_none_or(|since| at > *since)
            && (codes.is_empty() || exited)
            && passes(view, filters)
    };
    let limit = match params.limit {
        0 => usize::MAX,
        limit => limit,
    };
    Ok(all.iter().filter(own).take(limit).collect())
}

/// Returns whether a text names a container: by its name, its ID, or a prefix of its ID.
fn names(view: &ContainerView, text: &str) -> bool {
    let container = &view.snapshot.container;
    let bare = text.strip_prefix('/').unwrap_or(text);
    container.name.as_str() == bare || container.id.to_string().starts_with(text)
}

fn passes(view: &ContainerView, filters: &Filters) -> bool {
    let snapshot = &view.snapshot;
    let workload = &*snapshot.workload;
    let id = snapshot.container.id.to_string();
    let name = snapshot.container.name.as_str();
    // dockerd's names begin with a slash, so patterns with a slash must match, too.
    let named = filters.pattern("name", name) || filters.pattern("name", &format!("/{name}"));
    let health = snapshot
        .health
        .as_ref()
        .map_or("none", |health| health.status.as_str());
    let network = !filters.has("network")
        || filters.values("network").any(|wanted| {
            view.networks
                .values()
                .any(|network| network.name.as_str() == wanted || network.id.to_string() == wanted)
        });
    let ancestor = !filters.has("ancestor")
        || filters.values("ancestor").any(|wanted| {
            let bare = |name: &str| name.strip_suffix(":latest").unwrap_or(name).to_owned();
            let hex = workload.image.strip_prefix("sha256:").unwrap_or_default();
            bare(wanted) == bare(&workload.image_name)
                || wanted == workload.image
                || (wanted.len() >= 12 && hex.starts_with(wanted))
        });
    named
        && filters.prefix("id", &id)
        && filters.labels("label", &workload.labels)
        && filters.exact("status", status::word(&snapshot.run_state))
        && filters.exact("health", health)
        && network
        && ancestor
        && !filters.has("volume")
        && ports(view, filters)
}

/// Parses `80`, `80/udp` or `8000-8010`, and returns the ports and the protocol; `None` for any
/// other text.
fn port_range(text: &str) -> Option<(RangeInclusive<u16>, &str)> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some((first.parse().ok()?..=last.parse().ok()?, protocol))
}

/// Returns whether a container matches the filters `publish` and `expose` (`80`, `80/udp`,
/// `8000-8010`). Only running containers match.
fn ports(view: &ContainerView, filters: &Filters) -> bool {
    let wanted = |text: &str, port: u16, protocol: Protocol| {
        port_range(text)
            .is_some_and(|(range, own)| own == protocol.to_string() && range.contains(&port))
    };
    let publish = !filters.has("publish")
        || filters.values("publish").any(|text| {
            let bindings = &view.snapshot.bindings;
            bindings
                .iter()
                .any(|one| wanted(text, one.host.port, one.host.protocol))
        });
    let expose = !filters.has("expose")
        || filters.values("expose").any(|text| {
            let ports = &view.snapshot.container.ports;
            ports
                .iter()
                .any(|one| wanted(text, one.number.port, one.number.protocol))
        });
    let asks = filters.has("publish") || filters.has("expose");
    publish && expose && (view.snapshot.container.runs() || !asks)
}
