//! The VCH and its machine: `GET /info`, `GET /version` and `/_ping`.

use super::{Docker, Json};
use axum::{
    extract::State,
    http::{HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use docker_model::{
    DockerError, Version,
    system::{
        VersionInfo,
        info::{Host, Info},
    },
    time,
};
use std::{fs, path::PathBuf};

const SERVER: &str = concat!("vch-coordinator/", env!("CARGO_PKG_VERSION"), " (linux)");
const KIB: u64 = 1024;

/// The machine that the VCH runs on, as it was when the coordinator started: host name, kernel, operating system,
/// memory and processors.
#[derive(Clone, Debug)]
pub struct Machine {
    hostname: String,
    kernel: String,
    system: String,
    release: String,
    memory: u64,
    processors: usize,
    state_dir: PathBuf,
}

impl Machine {
    /// Reads the machine's data from /proc (proc(5)) and /etc/os-release (os-release(5)). Texts that these files lack
    /// are empty, and the memory is 0 then. `state_dir` is the coordinator's state directory, which `docker info` shows
    /// as `DockerRootDir`.
    pub fn observe(state_dir: PathBuf) -> Self {
        let line = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.trim().to_owned()
        };
        let release = line("/etc/os-release");
        let field = |name: &str| {
            let mut lines = release.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.map(|value| value.trim_matches('"').to_owned())
        };
        let memory = line("/proc/meminfo");
        let total = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"));
        let total = total.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            hostname: line("/proc/sys/kernel/hostname"),
            kernel: line("/proc/sys/kernel/osrelease"),
            system: field("PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
            release: field("VERSION_ID").unwrap_or_default(),
            memory: total.unwrap_or(0) * KIB,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            state_dir,
        }
    }
}

/// Adds dockerd's headers to a response: `Server`, `Api-Version`, `Ostype` and `Docker-Experimental`.
pub async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set("server", SERVER);
    set("api-version", "1.51");
    set("ostype", "linux");
    set("docker-experimental", "false");
    response
}

/// Handles `GET` and `HEAD` of `/_ping`, by which clients find the API version.
pub async fn ping(method: Method) -> Response {
    let kind = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    let headers = [
        kind,
        (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
        (header::PRAGMA, "no-cache"),
    ];
    let body = if method == Method::HEAD { "" } else { "OK" };
    let mut response = (headers, body).into_response();
    let inactive = HeaderValue::from_static("inactive");
    response.headers_mut().insert("swarm", inactive);
    response
}

/// Handles `GET /version` (`docker version`).
pub async fn version(State(docker): State<Docker>) -> Response {
    Json(VersionInfo::of(&docker.machine.kernel)).into_response()
}

/// Handles `GET /info` (`docker info`).
///
/// # Errors
/// Returns 503 if the coordinator is stopping.
pub async fn info(State(docker): State<Docker>, version: Version) -> Result<Response, DockerError> {
    let counts = docker.requests.ledger_handle.read(|ledger| {
        let running = ledger.containers().filter(|one| one.runs()).count();
        (ledger.containers().len(), running)
    });
    let (containers, running) = counts.await?;
    let machine = &docker.machine;
    let host = Host {
        vch: &docker.vch.to_string(),
        now: &time::rfc3339(time::now()),
        hostname: &machine.hostname,
        kernel: &machine.kernel,
        system: &machine.system,
        release: &machine.release,
        memory: machine.memory,
        processors: machine.processors,
        state_dir: &machine.state_dir,
        containers,
        running,
        images: docker.images.list().len(),
    };
    Ok(Json(Info::of(host, version)).into_response())
}
