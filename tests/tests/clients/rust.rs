//! The crate `bollard`.

use std::collections::HashMap;
use std::path::Path;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::StartExecResults;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, ExecConfig, HostConfig, NetworkConnectRequest,
    NetworkCreateRequest, NetworkDisconnectRequest, NetworkingConfig, PortBinding,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
};
use futures_util::{Stream, StreamExt};

const PATIENCE_SECONDS: u64 = 120;

/// Networks and containers are made, looked at and removed.
pub fn drives(daemon: &Path) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(lifecycle(daemon));
}

async fn lifecycle(daemon: &Path) {
    let version = bollard::API_DEFAULT_VERSION;
    let docker = Docker::connect_with_unix(daemon.to_str().unwrap(), PATIENCE_SECONDS, version);
    let docker = docker.unwrap().negotiate_version().await.unwrap();
    for network in ["front", "back"] {
        let request = NetworkCreateRequest {
            name: network.to_owned(),
            internal: Some(network == "back"),
            ..Default::default()
        };
        docker.create_network(request).await.unwrap();
    }
    let listed = docker.list_networks(None).await.unwrap();
    let has = |name: &str| listed.iter().any(|one| one.name.as_deref() == Some(name));
    assert!(has("front") && has("back") && has("bridge"), "{listed:?}");

    let named = CreateContainerOptionsBuilder::new().name("server").build();
    docker
        .create_container(Some(named), server())
        .await
        .unwrap();
    let attach = NetworkConnectRequest {
        container: "server".to_owned(),
        endpoint_config: None,
    };
    docker.connect_network("back", attach).await.unwrap();
    docker.start_container("server", None).await.unwrap();
    let logs = LogsOptionsBuilder::new().stdout(true).stderr(true);
    let (out, err) = streams(
        docker.logs("server", Some(logs.follow(true).build())),
        "ready",
    )
    .await;
    assert_eq!((&*out, &*err), ("ready\n", ""));

    let all = ListContainersOptionsBuilder::new().all(true).build();
    let running = docker.list_containers(Some(all.clone())).await.unwrap();
    assert_eq!(running.len(), 1);
    assert_eq!(running[0].names.as_deref().unwrap(), ["/server"]);
    let shown = docker.inspect_container("server", None).await.unwrap();
    assert_eq!(shown.state.unwrap().running, Some(true));
    let settings = shown.network_settings.unwrap();
    let ports = settings.ports.unwrap();
    let bound = ports["80/tcp"].as_ref().unwrap();
    assert_eq!(bound[0].host_port.as_deref(), Some("8082"));
    let mut networks: Vec<_> = settings.networks.unwrap().into_keys().collect();
    networks.sort_unstable();
    assert_eq!(networks, ["back", "front"]);

    assert_eq!(executed(&docker).await, ("in green\n".to_owned(), Some(4)));
    docker.stop_container("server", None).await.unwrap();
    let ended = docker.wait_container("server", None).next().await.unwrap();
    let code = match ended {
        Err(Error::DockerContainerWaitError { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code, 6);
    let logs = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
    let (out, err) = streams(docker.logs("server", Some(logs)), "never").await;
    assert_eq!((&*out, &*err), ("ready\n", "stopped\n"));

    let detach = NetworkDisconnectRequest {
        container: "server".to_owned(),
        force: None,
    };
    docker.disconnect_network("back", detach).await.unwrap();
    docker.remove_container("server", None).await.unwrap();
    for network in ["front", "back"] {
        docker.remove_network(network).await.unwrap();
    }
    assert_eq!(docker.list_containers(Some(all)).await.unwrap(), []);
    match docker.inspect_container("server", None).await {
        Err(Error::DockerResponseServerError {
            status_code: 404,
            message,
        }) => {
            assert_eq!(message, "No such container: server");
        }
        other => panic!("{other:?}"),
    }
}

/// Says that it is ready, and ends with a code of its own when it is asked to.
fn server() -> ContainerCreateBody {
    const SERVE: &str =
        "trap 'echo stopped >&2; exit 6' TERM; echo ready; while :; do sleep 0.1; done";
    let binding = PortBinding {
        host_ip: None,
        host_port: Some("8082".to_owned()),
    };
    let front = HashMap::from([("front".to_owned(), EndpointSettings::default())]);
    ContainerCreateBody {
        image: Some("busybox".to_owned()),
        cmd: Some(["sh", "-c", SERVE].map(str::to_owned).to_vec()),
        env: Some(vec!["COLOUR=green".to_owned()]),
        exposed_ports: Some(vec!["80/tcp".to_owned()]),
        host_config: Some(HostConfig {
            network_mode: Some("front".to_owned()),
            port_bindings: Some(HashMap::from([("80/tcp".to_owned(), Some(vec![binding]))])),
            ..Default::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(front),
        }),
        ..Default::default()
    }
}

/// Returns the output of a command in the container, and its exit code.
async fn executed(docker: &Docker) -> (String, Option<i64>) {
    let command = ["sh", "-c", "echo in $COLOUR; exit 4"];
    let config = ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command.map(str::to_owned).to_vec()),
        ..Default::default()
    };
    let id = docker.create_exec("server", config).await.unwrap().id;
    let StartExecResults::Attached { output, .. } = docker.start_exec(&id, None).await.unwrap()
    else {
        panic!("it is detached");
    };
    let (out, err) = streams(output, "never").await;
    assert_eq!(err, "");
    (out, docker.inspect_exec(&id).await.unwrap().exit_code)
}

/// Standard output and error, to their end or up to a word.
async fn streams(
    mut all: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
    word: &str,
) -> (String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    while let Some(part) = all.next().await {
        match part.unwrap() {
            LogOutput::StdErr { message } => err += &String::from_utf8_lossy(&message),
            other => out += &other.to_string(),
        }
        if out.contains(word) {
            break;
        }
    }
    (out, err)
}
