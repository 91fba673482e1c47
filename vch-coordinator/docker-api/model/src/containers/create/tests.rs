use crate::containers::create::*;
use axum::http::StatusCode;
use serde_json::{Value, json};
use vch_ledger::{Connect, NetworkRef, Protocol};
use vch_runtime::workload::{RestartPolicy, RestartWhen};

mod carried_out;
mod refusals;

fn image() -> Image {
    Image {
        id: "sha256:11".to_owned(),
        user: "web".to_owned(),
        exposed: vec!["80/tcp".to_owned()],
        environment: vec!["PATH=/bin".to_owned(), "A=image".to_owned()],
        entrypoint: vec!["/entry".to_owned()],
        command: vec!["serve".to_owned()],
        dir: "/srv".to_owned(),
        labels: [("of".to_owned(), "image".to_owned())].into(),
        stop_signal: "SIGQUIT".to_owned(),
        health: None,
        volumes: Vec::new(),
        platform: ["linux", "amd64", ""].map(str::to_owned),
    }
}

fn planned(version: Version, body: Value) -> Result<Planned, DockerError> {
    let body = crate::containers::body::without_nulls(body);
    let body: Body = serde_json::from_value(body).unwrap();
    let image = image();
    let context = CreateContext {
        version,
        name: "web".parse().unwrap(),
        image: &image,
        host_gateway: Some([172, 17, 0, 1].into()),
    };
    plan(&body, context)
}

fn plan_of(body: Value) -> Create {
    planned(Version::NEWEST, body).unwrap().create
}

fn refused(body: Value) -> DockerError {
    planned(Version::NEWEST, body).unwrap_err()
}

fn networks(endpoints: &[Connect]) -> Vec<String> {
    let names = endpoints.iter().map(|endpoint| match &endpoint.network {
        NetworkRef::Text(text) => text.clone(),
        NetworkRef::Id(id) => id.to_string(),
    });
    names.collect()
}

/// Returns the body that docker CLI 28.2 sends for `docker run -d busybox`, without the container's
/// own data.
fn from_the_cli() -> Value {
    let text = r#"{
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
        "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null,
        "Cmd": null, "Image": "busybox", "Volumes": {}, "WorkingDir": "", "Entrypoint": null,
        "OnBuild": null, "Labels": {},
        "HostConfig": {
            "Binds": null, "ContainerIDFile": "", "LogConfig": { "Type": "", "Config": {} },
            "NetworkMode": "default", "PortBindings": {},
            "RestartPolicy": { "Name": "no", "MaximumRetryCount": 0 }, "AutoRemove": false,
            "VolumeDriver": "", "VolumesFrom": null, "ConsoleSize": [24, 80], "CapAdd": null,
            "CapDrop": null, "CgroupnsMode": "", "Dns": [], "DnsOptions": [], "DnsSearch": [],
            "ExtraHosts": null, "GroupAdd": null, "IpcMode": "", "Cgroup": "", "Links": null,
            "OomScoreAdj": 0, "PidMode": "", "Privileged": false, "PublishAllPorts": false,
            "ReadonlyRootfs": false, "SecurityOpt": null, "UTSMode": "", "UsernsMode": "",
            "ShmSize": 0, "Isolation": "", "CpuShares": 0, "Memory": 0, "NanoCpus": 0,
            "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": [],
            "BlkioDeviceReadBps": [], "BlkioDeviceWriteBps": [], "BlkioDeviceReadIOps": [],
            "BlkioDeviceWriteIOps": [], "CpuPeriod": 0, "CpuQuota": 0, "CpuRealtimePeriod": 0,
            "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "", "Devices": [],
            "DeviceCgroupRules": null, "DeviceRequests": null, "MemoryReservation": 0,
            "MemorySwap": 0, "MemorySwappiness": -1, "OomKillDisable": false, "PidsLimit": 0,
            "Ulimits": [], "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0,
            "IOMaximumBandwidth": 0, "MaskedPaths": null, "ReadonlyPaths": null
        },
        "NetworkingConfig": { "EndpointsConfig": { "default": {
            "IPAMConfig": null, "Links": null, "Aliases": null, "MacAddress": "", "DriverOpts": null,
            "GwPriority": 0, "NetworkID": "", "EndpointID": "", "Gateway": "", "IPAddress": "",
            "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
            "DNSNames": null
        } } }
    }"#;
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_the_cli_sends_by_itself_is_the_images_container_on_the_default_bridge() {
    let create = plan_of(from_the_cli());
    assert_eq!(networks(&create.connect), ["bridge"]);
    let workload = create.workload;
    assert_eq!(workload.entrypoint, ["/entry"]);
    assert_eq!(workload.command, ["serve"]);
    assert_eq!(workload.environment, ["PATH=/bin", "A=image"]);
    assert_eq!(workload.user, "web");
    assert_eq!(workload.dir, "/srv");
    assert_eq!(workload.stop_signal.as_deref(), Some("SIGQUIT"));
    assert_eq!(workload.network_mode, "bridge");
    assert!(!workload.no_new_privileges);
    let ports: Vec<String> = create.add.ports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["80/tcp"]);
}

#[test]
fn entrypoint_and_command_are_merged_as_by_dockerd() {
    let words = |body: Value| {
        let workload = plan_of(body).workload;
        (workload.entrypoint, workload.command)
    };
    let text = |list: &[&str]| -> Vec<String> { list.iter().map(ToString::to_string).collect() };
    let both = (text(&["/entry"]), text(&["own"]));
    assert_eq!(words(json!({ "Cmd": ["own"] })), both);
    assert_eq!(words(json!({ "Cmd": "own" })), both);
    let alone = (text(&["/own"]), text(&[]));
    assert_eq!(words(json!({ "Entrypoint": ["/own"] })), alone);
    // `--entrypoint ""` also removes the image's command.
    let none = refused(json!({ "Entrypoint": [""] }));
    assert_eq!(none.message, "no command specified");
    let emptied = (text(&[]), text(&["sh"]));
    assert_eq!(words(json!({ "Entrypoint": [""], "Cmd": ["sh"] })), emptied);
}

#[test]
fn a_variable_of_the_users_hides_the_images() {
    let workload = plan_of(json!({ "Env": ["A=own", "B="], "Labels": { "mine": "1" } })).workload;
    assert_eq!(workload.environment, ["A=own", "B=", "PATH=/bin"]);
    assert_eq!(workload.labels.len(), 2);
    let error = refused(json!({ "Env": ["=x"] }));
    assert_eq!(error.message, "invalid environment variable: =x");
}

#[test]
fn ports_are_read_in_all_of_dockers_forms() {
    let ports = |host: Value| -> Vec<String> {
        let create = plan_of(json!({ "HostConfig": { "PortBindings": host } }));
        create.add.ports.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        ports(
            json!({ "80/tcp": [{ "HostPort": "8080" }, { "HostIp": "192.0.2.7", "HostPort": "81" }] })
        ),
        ["8080:80/tcp", "192.0.2.7:81:80/tcp"]
    );
    assert_eq!(
        ports(json!({ "53/udp": [{ "HostIp": "", "HostPort": "" }] })),
        ["80/tcp", "80/udp".replace("80", "53").as_str()].map(str::to_owned)
    );
    let create = plan_of(json!({ "ExposedPorts": { "7000-7002/sctp": null } }));
    let sctp = create.add.ports.iter();
    let sctp = sctp.filter(|port| port.number.protocol == Protocol::Sctp);
    assert_eq!(sctp.count(), 3);
    let bad = |key: &str| refused(json!({ "ExposedPorts": { key: {} } })).message;
    assert!(bad("0").starts_with("invalid port specification: \"0\""));
    assert_eq!(bad("80/icmp"), "invalid proto: icmp");
}

#[test]
fn a_range_of_host_ports_for_fewer_ports_is_refused_by_its_field() {
    let bindings = json!({ "80-81/tcp": [{ "HostPort": "8000-8010" }] });
    let error = refused(json!({ "HostConfig": { "PortBindings": bindings } }));
    assert_eq!(error.status, StatusCode::NOT_IMPLEMENTED);
    assert!(error.message.contains("HostConfig.PortBindings.HostPort"));
    assert!(error.message.contains("8000-8010"));
}

#[test]
fn the_network_mode_comes_first_among_several_networks() {
    let body = json!({
        "HostConfig": { "NetworkMode": "web" },
        "NetworkingConfig": { "EndpointsConfig": {
            "app": { "Aliases": ["db"], "GwPriority": 7 },
            "web": { "IPAMConfig": { "IPv4Address": "10.1.2.3" }, "MacAddress": "02:00:00:00:00:07" },
        } }
    });
    let create = plan_of(body.clone());
    assert_eq!(networks(&create.connect), ["web", "app"]);
    let [web, app] = create.connect.as_slice() else {
        panic!("two endpoints");
    };
    assert_eq!(web.addresses, [IpAddr::from([10, 1, 2, 3])]);
    assert!(web.mac.is_some());
    assert_eq!(app.gateway_priority, 7);
    let error = planned(Version(43), body).unwrap_err();
    assert_eq!(
        error.message,
        "Container cannot be connected to network endpoints: app, web"
    );
}

#[test]
fn no_network_is_no_endpoint() {
    let none = plan_of(json!({
        "HostConfig": { "NetworkMode": "none" },
        "NetworkingConfig": { "EndpointsConfig": { "none": null } }
    }));
    assert_eq!(none.connect, []);
    assert_eq!(plan_of(json!({ "NetworkDisabled": true })).connect, []);
}

#[test]
fn a_containers_mac_address_is_its_first_endpoints() {
    let create = planned(Version(41), json!({ "MacAddress": "02:00:00:00:00:09" }));
    let create = create.unwrap().create;
    assert!(create.connect.iter().all(|endpoint| endpoint.mac.is_some()));
    let error = refused(json!({ "MacAddress": "nonsense" }));
    assert!(
        error
            .message
            .starts_with("nonsense is not a valid mac address")
    );
    let error = refused(json!({
        "MacAddress": "02:00:00:00:00:09",
        "NetworkingConfig": { "EndpointsConfig": { "bridge": { "MacAddress": "02:00:00:00:00:0a" } } }
    }));
    assert!(
        error
            .message
            .starts_with("the container-wide MAC address must match")
    );
}
