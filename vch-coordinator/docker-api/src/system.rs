//! What the VCH is, for whoever asks before anything else.

use super::{Docker, Json};
use axum::{
    extract::State,
    http::{HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use docker_model::{DockerError, Version, time};
use serde_json::{Map, Value, json};
use std::{fs, path::PathBuf};

const SERVER: &str = concat!("vch-coordinator/", env!("CARGO_PKG_VERSION"), " (linux)");
const NAME: &str = env!("CARGO_PKG_VERSION");
const KIB: u64 = 1024;

/// The machine that the VCH runs on, as it was when the coordinator started.
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
    /// Looks at /proc (proc(5)) and os-release(5); what they do not say is empty.
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

/// What dockerd puts on every answer.
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

/// `HEAD` is answered alike, without a body.
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

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

pub async fn version(State(docker): State<Docker>) -> Json<Value> {
    let (oldest, newest) = (Version::OLDEST.to_string(), Version::NEWEST.to_string());
    let kernel = &docker.machine.kernel;
    Json(json!({
        "Platform": { "Name": "Virtual Container Host" },
        "Components": [{
            "Name": "Engine",
            "Version": NAME,
            "Details": {
                "ApiVersion": newest,
                "Arch": architecture(),
                "BuildTime": "",
                "Experimental": "false",
                "GitCommit": "",
                "GoVersion": "",
                "KernelVersion": kernel,
                "MinAPIVersion": oldest,
                "Os": "linux",
            },
        }],
        "Version": NAME,
        "ApiVersion": newest,
        "MinAPIVersion": oldest,
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": architecture(),
        "KernelVersion": kernel,
        "BuildTime": "",
    }))
}

/// What dockerd says of itself, for a VCH.
pub async fn info(
    State(docker): State<Docker>,
    asked: Version,
) -> Result<Json<Value>, DockerError> {
    let counts = docker.requests.ledger_handle.read(|ledger| {
        let running = ledger.containers().filter(|one| one.runs()).count();
        (ledger.containers().len(), running)
    });
    let (containers, running) = counts.await?;
    let mut info = Map::new();
    for part in [
        of_the_vch(&docker),
        of_the_machine(&docker.machine),
        of_containers(),
    ] {
        if let Value::Object(part) = part {
            info.extend(part);
        }
    }
    for (key, count) in [
        ("Containers", containers),
        ("ContainersRunning", running),
        ("ContainersPaused", 0),
        ("ContainersStopped", containers - running),
        ("Images", docker.images.list().len()),
    ] {
        info.insert(key.to_owned(), count.into());
    }
    // Gone from the API since 1.42.
    if asked < Version(42) {
        for key in ["KernelMemory", "KernelMemoryTCP"] {
            info.insert(key.to_owned(), false.into());
        }
    }
    by_version(&mut info, asked);
    Ok(Json(Value::Object(info)))
}

/// What the API's versions have taken away and added (the Engine API's version history).
fn by_version(info: &mut Map<String, Value>, asked: Version) {
    if asked >= Version(49) {
        for commit in ["ContainerdCommit", "RuncCommit", "InitCommit"] {
            if let Some(Value::Object(commit)) = info.get_mut(commit) {
                commit.remove("Expected");
            }
        }
        info.insert(
            "FirewallBackend".to_owned(),
            json!({ "Driver": "nftables" }),
        );
    }
    if asked >= Version(50) {
        info.remove("BridgeNfIptables");
        info.remove("BridgeNfIp6tables");
        info.insert("DiscoveredDevices".to_owned(), json!([]));
    }
    if asked >= Version(44) {
        info.insert("CDISpecDirs".to_owned(), json!([]));
    }
}

fn of_the_vch(docker: &Docker) -> Value {
    json!({
        "ID": docker.vch.to_string(),
        "Driver": "squashfs",
        "DriverStatus": [],
        "Plugins": {
            "Volume": [],
            "Network": ["bridge", "null"],
            "Authorization": null,
            "Log": ["json-file"],
        },
        "Debug": false,
        "NFd": 0,
        "NGoroutines": 0,
        "NEventsListener": 0,
        "SystemTime": time::rfc3339(time::now()),
        "LoggingDriver": "json-file",
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {
            "AllowNondistributableArtifactsCIDRs": [],
            "AllowNondistributableArtifactsHostnames": [],
            "InsecureRegistryCIDRs": [],
            "IndexConfigs": {
                "docker.io": {
                    "Name": "docker.io",
                    "Mirrors": [],
                    "Secure": true,
                    "Official": true,
                },
            },
            "Mirrors": [],
        },
        "CDISpecDirs": [],
        "GenericResources": null,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Labels": [],
        "ExperimentalBuild": false,
        "ServerVersion": NAME,
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": false,
            "Error": "",
            "RemoteManagers": null,
        },
        "LiveRestoreEnabled": true,
        "Warnings": null,
    })
}

fn of_the_machine(machine: &Machine) -> Value {
    json!({
        "IPv4Forwarding": true,
        "BridgeNfIptables": false,
        "BridgeNfIp6tables": false,
        "KernelVersion": machine.kernel,
        "OperatingSystem": machine.system,
        "OSVersion": machine.release,
        "OSType": "linux",
        "Architecture": std::env::consts::ARCH,
        "NCPU": machine.processors,
        "MemTotal": machine.memory,
        "DockerRootDir": machine.state_dir,
        "Name": machine.hostname,
    })
}

/// Each is a VM: its memory and processors are its own; shares and sets of them and the number
/// of tasks are limited within it.
fn of_containers() -> Value {
    json!({
        "MemoryLimit": true,
        "SwapLimit": false,
        "CpuCfsPeriod": true,
        "CpuCfsQuota": true,
        "CPUShares": true,
        "CPUSet": true,
        "PidsLimit": true,
        "OomKillDisable": false,
        "CgroupDriver": "none",
        "CgroupVersion": "2",
        "Runtimes": { "qemu": { "path": "vch-shim" } },
        "DefaultRuntime": "qemu",
        "Isolation": "",
        "InitBinary": "container-init",
        "ContainerdCommit": { "ID": "", "Expected": "" },
        "RuncCommit": { "ID": "", "Expected": "" },
        "InitCommit": { "ID": "", "Expected": "" },
        "SecurityOptions": ["name=seccomp,profile=default"],
    })
}

#[cfg(test)]
mod tests {
    use super::by_version;
    use docker_model::Version;
    use serde_json::{Map, Value, json};

    #[test]
    fn an_answer_has_the_keys_of_its_version() {
        let keys = |asked| {
            let mut info = Map::new();
            info.insert("BridgeNfIptables".to_owned(), json!(false));
            let commit = json!({ "ID": "", "Expected": "" });
            info.insert("RuncCommit".to_owned(), commit);
            by_version(&mut info, asked);
            let info = Value::Object(info);
            [
                "/BridgeNfIptables",
                "/RuncCommit/Expected",
                "/FirewallBackend",
                "/CDISpecDirs",
                "/DiscoveredDevices",
            ]
            .map(|key| info.pointer(key).is_some())
        };
        assert_eq!(keys(Version(43)), [true, true, false, false, false]);
        assert_eq!(keys(Version(48)), [true, true, false, true, false]);
        assert_eq!(keys(Version(49)), [true, false, true, true, false]);
        assert_eq!(keys(Version(51)), [false, false, true, true, true]);
    }
}
