use super::*;
use crate::runtime::workload::{RestartPolicy, RestartWhen};
use axum::http::StatusCode;
use serde_json::{Value, json};
use vch_ledger::{Connect, NetworkRef, Protocol};

fn image() -> Image {
    Image {
        id: "sha256:11".to_owned(),
        user: "web".to_owned(),
        exposed: vec!["80/tcp".to_owned()],
        environment: vec!["PATH=/bin".to_owned(), "A=image".to_owned()],
        entrypoint: vec!["/entry".to_owned()],
        command: vec!["serve".to_owned()],
        folder: "/srv".to_owned(),
        labels: [("of".to_owned(), "image".to_owned())].into(),
        stop_signal: "SIGQUIT".to_owned(),
        health: None,
        volumes: Vec::new(),
        platform: ["linux", "amd64", ""].map(str::to_owned),
    }
}

fn planned(version: Version, body: Value) -> Result<Planned, DockerError> {
    let body = super::super::body::without_nulls(body);
    let body: Body = serde_json::from_value(body).unwrap();
    let image = image();
    let around = Around {
        version,
        name: "web".parse().unwrap(),
        image: &image,
        host_gateway: Some([172, 17, 0, 1].into()),
    };
    plan(&body, around)
}

fn plan_of(body: Value) -> Create {
    planned(Version::NEWEST, body).unwrap().create
}

fn refused(body: Value) -> DockerError {
    planned(Version::NEWEST, body).unwrap_err()
}

fn networks(places: &[Connect]) -> Vec<String> {
    let names = places.iter().map(|place| match &place.network {
        NetworkRef::Text(text) => text.clone(),
        NetworkRef::Id(id) => id.to_string(),
    });
    names.collect()
}

/// What docker CLI 28.2 sends for `docker run -d busybox`, as far as it is not the container's own.
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
    assert_eq!(workload.folder, "/srv");
    assert_eq!(workload.stop_signal.as_deref(), Some("SIGQUIT"));
    assert_eq!(workload.network_mode, "default");
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
    // `--entrypoint ""` takes the image's command away, too.
    let none = refused(json!({ "Entrypoint": [""] }));
    assert_eq!(none.message, "No command specified");
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
fn a_range_of_host_ports_for_one_port_is_refused_by_its_field() {
    let bindings = json!({ "80/tcp": [{ "HostPort": "8000-8010" }] });
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
        panic!("two places");
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
fn no_network_is_no_place() {
    let none = plan_of(json!({
        "HostConfig": { "NetworkMode": "none" },
        "NetworkingConfig": { "EndpointsConfig": { "none": null } }
    }));
    assert_eq!(none.connect, []);
    assert_eq!(plan_of(json!({ "NetworkDisabled": true })).connect, []);
}

#[test]
fn a_containers_mac_address_is_its_first_places() {
    let create = planned(Version(41), json!({ "MacAddress": "02:00:00:00:00:09" }));
    let create = create.unwrap().create;
    assert!(create.connect.iter().all(|place| place.mac.is_some()));
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

#[test]
fn what_a_vm_cannot_share_is_refused_with_the_reason() {
    for (field, value) in [
        ("NetworkMode", json!("host")),
        ("NetworkMode", json!("container:web")),
        ("PidMode", json!("container:web")),
        ("IpcMode", json!("container:web")),
        ("Binds", json!(["/a:/b"])),
        ("VolumesFrom", json!(["web"])),
        ("VolumeDriver", json!("nfs")),
        ("Mounts", json!([{ "Type": "bind", "Target": "/b" }])),
        ("CgroupParent", json!("/x")),
        ("Cgroup", json!("container:web")),
        ("SecurityOpt", json!(["seccomp={}"])),
        ("SecurityOpt", json!(["apparmor=mine"])),
        ("SecurityOpt", json!(["writable-cgroups=true"])),
        ("DeviceCgroupRules", json!(["c 1:3 rwm"])),
        ("DeviceRequests", json!([{ "Count": -1 }])),
        ("BlkioWeight", json!(100)),
        (
            "BlkioWeightDevice",
            json!([{ "Path": "/dev/vda", "Weight": 100 }]),
        ),
        (
            "BlkioDeviceReadBps",
            json!([{ "Path": "/dev/vda", "Rate": 100 }]),
        ),
        (
            "BlkioDeviceWriteIOps",
            json!([{ "Path": "/dev/vda", "Rate": 100 }]),
        ),
    ] {
        let error = refused(json!({ "HostConfig": { field: value } }));
        assert_eq!(error.status, StatusCode::NOT_IMPLEMENTED, "{field}");
        let named = format!("HostConfig.{field} ");
        assert!(error.message.starts_with(&named), "{}", error.message);
        assert!(error.message.contains(": "), "{}", error.message);
    }
    let host = refused(json!({ "HostConfig": { "NetworkMode": "host" } })).message;
    assert!(
        host.contains("each container is a VM") && host.contains("-p"),
        "{host}"
    );
}

#[test]
fn values_that_make_no_sense_are_refused_in_dockerds_words() {
    for (host, text) in [
        (
            json!({ "Memory": 1024 }),
            "Minimum memory limit allowed is 6MB",
        ),
        (
            json!({ "RestartPolicy": { "Name": "often" } }),
            "invalid restart policy: unknown policy 'often'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
        ),
        (
            json!({ "RestartPolicy": { "Name": "always", "MaximumRetryCount": 3 } }),
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        ),
        (
            json!({ "RestartPolicy": { "Name": "always" }, "AutoRemove": true }),
            "can't create 'AutoRemove' container with restart policy",
        ),
        (json!({ "ShmSize": -1 }), "SHM size can not be less than 0"),
        (
            json!({ "OomScoreAdj": 2000 }),
            "Invalid value 2000, range for oom score adj is [-1000, 1000]",
        ),
        (
            json!({ "Ulimits": [{ "Name": "nofile", "Soft": 9, "Hard": 5 }] }),
            "ulimit soft limit must be less than or equal to hard limit: 9 > 5",
        ),
        (
            json!({ "NanoCpus": 1, "CpuQuota": 5 }),
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
        ),
        (
            json!({ "ExtraHosts": ["nothing"] }),
            "bad format for add-host: \"nothing\"",
        ),
        (
            json!({ "ExtraHosts": ["a:b"] }),
            "invalid IP address in add-host: \"b\"",
        ),
        (
            json!({ "RestartPolicy": { "Name": "no", "MaximumRetryCount": -1 } }),
            "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
        ),
        (
            json!({ "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": -1 } }),
            "invalid restart policy: maximum retry count cannot be negative",
        ),
        (
            json!({ "Memory": -1 }),
            "Minimum memory limit allowed is 6MB",
        ),
        (
            json!({ "Memory": 8 << 20, "MemorySwap": 7 << 20 }),
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            json!({ "MemorySwap": 7 << 20 }),
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            json!({ "MemoryReservation": 1024 }),
            "Minimum memory reservation allowed is 6MB",
        ),
        (
            json!({ "Memory": 8 << 20, "MemoryReservation": 9 << 20 }),
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        (
            json!({ "NanoCpus": 1, "CpuPeriod": 5000 }),
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        (
            json!({ "CpuPeriod": 999 }),
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        (
            json!({ "CpuQuota": 999 }),
            "CPU cfs quota can not be less than 1ms (i.e. 1000)",
        ),
        (
            json!({ "CpuShares": -1 }),
            "invalid CPU shares (-1): value must be a positive integer",
        ),
        (
            json!({ "CpuRealtimePeriod": 1000 }),
            "kernel does not support CPU real-time scheduler: leave HostConfig.CpuRealtimePeriod out",
        ),
        (
            json!({ "CpusetMems": "1" }),
            "Requested memory nodes are not available - requested 1, available: 0",
        ),
        (
            json!({ "CpusetCpus": "2-1" }),
            "Invalid value 2-1 for cpuset cpus: write 0-2,4",
        ),
        (
            json!({ "BlkioWeight": 5 }),
            "Range of blkio weight is from 10 to 1000",
        ),
        (
            json!({ "IOMaximumIOps": 5 }),
            "invalid option: QoS maximum IOPs configuration is not supported on linux",
        ),
        (
            json!({ "IOMaximumBandwidth": 5 }),
            "invalid option: QoS maximum bandwidth configuration is not supported on linux",
        ),
        (json!({ "IpcMode": "x:y" }), "invalid IPC mode: x:y"),
        (json!({ "PidMode": "x:y" }), "invalid PID mode: x:y"),
        (
            json!({ "PidMode": "container:" }),
            "invalid PID mode: container:",
        ),
        (json!({ "UTSMode": "x:y" }), "invalid UTS mode: x:y"),
        (json!({ "UsernsMode": "x:y" }), "invalid USER mode: x:y"),
        (
            json!({ "CgroupnsMode": "x:y" }),
            "invalid cgroup namespace mode: x:y",
        ),
        (
            json!({ "Isolation": "hyperv" }),
            "invalid isolation (hyperv): linux only supports 'default'",
        ),
        (
            json!({ "Runtime": "runsc" }),
            "unknown or invalid runtime name: runsc: leave HostConfig.Runtime out",
        ),
        (
            json!({ "SecurityOpt": ["nothing"] }),
            "invalid --security-opt 1: \"nothing\"",
        ),
        (
            json!({ "SecurityOpt": ["no=thing"] }),
            "invalid --security-opt 2: \"no=thing\"",
        ),
        (
            json!({ "SecurityOpt": ["no-new-privileges=perhaps"] }),
            "invalid --security-opt 2: \"no-new-privileges=perhaps\"",
        ),
        (
            json!({ "CapAdd": ["FLY"] }),
            "invalid CapAdd: unknown capability: \"CAP_FLY\"",
        ),
        (
            json!({ "DeviceCgroupRules": ["c 1"] }),
            "invalid device cgroup rule format: 'c 1'",
        ),
        (
            json!({ "LogConfig": { "Type": "paper" } }),
            "logger: no log driver named 'paper' is registered",
        ),
        (
            json!({ "LogConfig": { "Type": "", "Config": { "colour": "red" } } }),
            "unknown log opt 'colour' for json-file log driver: use max-size and max-file",
        ),
        (
            json!({ "LogConfig": { "Type": "", "Config": { "max-file": "0" } } }),
            "max-file cannot be less than 1",
        ),
        (
            json!({ "Tmpfs": { "run": "" } }),
            "invalid mount path: 'run' mount path must be absolute",
        ),
        (
            json!({ "Tmpfs": { "/": "" } }),
            "invalid specification: destination can't be '/'",
        ),
        (
            json!({ "Mounts": [{ "Type": "tmpfs" }] }),
            "invalid mount config for type \"tmpfs\": field Target must not be empty",
        ),
        (
            json!({ "Mounts": [{ "Type": "tmpfs", "Target": "/a", "Source": "b" }] }),
            "invalid mount config for type \"tmpfs\": field Source must not be specified",
        ),
        (
            json!({ "Mounts": [{ "Type": "paper", "Target": "/a" }] }),
            "invalid mount config for type \"paper\": mount type unknown",
        ),
        (
            json!({ "Mounts": [{ "Type": "tmpfs", "Target": "/a", "BindOptions": {} }] }),
            "BindOptions must not be specified on mount type \"tmpfs\"",
        ),
        (
            json!({ "NetworkMode": "container:" }),
            "invalid network mode: invalid container format container:<name|id>",
        ),
    ] {
        let error = refused(json!({ "HostConfig": host }));
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        assert_eq!(error.message, text);
    }
}

#[test]
fn what_the_host_is_asked_is_carried_out() {
    let create = plan_of(json!({
        "Hostname": "box",
        "Domainname": "example.org",
        "Tty": true,
        "OpenStdin": true,
        "HostConfig": {
            "Memory": 64 << 20, "CpuQuota": 50_000,
            "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 },
            "SecurityOpt": ["no-new-privileges"],
            "Mounts": [{ "Type": "tmpfs", "Target": "/m", "TmpfsOptions": { "SizeBytes": 5, "Mode": 448 } }],
            "Tmpfs": { "/t": "size=1m" },
            "Dns": ["192.0.2.53"], "DnsSearch": ["example.org"], "DnsOptions": ["ndots:2"],
            "ExtraHosts": ["gate:host-gateway", "six:2001:db8::1"],
            "Links": ["/db:/web/store"],
            "Init": true, "ReadonlyRootfs": true, "GroupAdd": ["7"],
        }
    }));
    let workload = &create.workload;
    assert_eq!(workload.resources.processors_nano(), 500_000_000);
    assert_eq!(workload.resources.memory, 64 << 20);
    let wanted = RestartPolicy {
        when: RestartWhen::OnFailure,
        most: 3,
    };
    assert_eq!(workload.restart, wanted);
    assert!(workload.no_new_privileges && workload.reaper && workload.read_only);
    assert_eq!(workload.tmpfs["/m"], "mode=700,size=5");
    assert_eq!(workload.tmpfs["/t"], "size=1m");
    assert_eq!(
        create.add.hostname.map(|name| name.to_string()).as_deref(),
        Some("box.example.org")
    );
    assert_eq!(create.add.dns.servers, [IpAddr::from([192, 0, 2, 53])]);
    let hosts: Vec<String> = create
        .add
        .extra_hosts
        .iter()
        .map(|entry| format!("{} {}", entry.name, entry.address))
        .collect();
    assert_eq!(hosts, ["gate 172.17.0.1", "six 2001:db8::1"]);
    let links: Vec<String> = create
        .connect
        .iter()
        .flat_map(|place| &place.links)
        .map(|(container, alias)| format!("{container} {alias}"))
        .collect();
    assert_eq!(links, ["db store"]);
}

#[test]
fn no_more_processors_are_given_than_there_are() {
    let there = std::thread::available_parallelism().unwrap();
    let whole = 1_000_000_000 * i64::try_from(there.get()).unwrap();
    let body = |nano: i64| json!({ "HostConfig": { "NanoCpus": nano } });
    let expected = format!(
        "range of CPUs is from 0.01 to {there}.00, as there are only {there} CPUs available"
    );
    assert_eq!(refused(body(whole + 1)).message, expected);
    assert_eq!(refused(body(-1)).message, expected);
}

#[test]
fn what_means_the_vchs_own_namespaces_is_invalid_and_says_why() {
    for field in ["PidMode", "IpcMode", "UTSMode", "CgroupnsMode"] {
        let error = refused(json!({ "HostConfig": { field: "host" } }));
        assert_eq!(error.status, StatusCode::BAD_REQUEST, "{field}");
        let named = format!("HostConfig.{field} cannot be host: each container is a VM");
        assert!(error.message.starts_with(&named), "{}", error.message);
    }
}

#[test]
fn values_of_the_containers_own_that_make_no_sense_are_refused_in_dockerds_words() {
    for (body, text) in [
        (json!({ "Env": [""] }), "invalid environment variable: "),
        (
            json!({ "WorkingDir": "srv" }),
            "the working directory 'srv' is invalid, it needs to be an absolute path",
        ),
        (
            json!({ "StopSignal": "SIGNOTHING" }),
            "invalid signal: SIGNOTHING",
        ),
        (
            json!({ "Healthcheck": { "Interval": 5 } }),
            "Interval in Healthcheck cannot be less than 1ms",
        ),
        (
            json!({ "Healthcheck": { "Timeout": -1 } }),
            "Timeout in Healthcheck cannot be less than 1ms",
        ),
        (
            json!({ "Healthcheck": { "Retries": -1, "StartPeriod": 5 } }),
            "Retries in Healthcheck cannot be negative",
        ),
        (
            json!({ "Healthcheck": { "StartPeriod": 5 } }),
            "StartPeriod in Healthcheck cannot be less than 1ms",
        ),
        (
            json!({ "Healthcheck": { "StartInterval": 5 } }),
            "StartInterval in Healthcheck cannot be less than 1ms",
        ),
        (
            json!({ "Volumes": { "data": {} } }),
            "invalid volume specification: 'data': invalid mount path: 'data' mount path must be absolute",
        ),
    ] {
        let error = refused(body);
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        assert_eq!(error.message, text);
    }
}

#[test]
fn a_host_name_of_more_than_64_bytes_is_refused() {
    let body = |name: &str, domain: &str| json!({ "Hostname": name, "Domainname": domain });
    let (label, whole) = ("a".repeat(31), format!("{0}.{0}", "a".repeat(31)));
    let named = |body: Value| plan_of(body).add.hostname.map(|name| name.to_string());
    assert_eq!(named(body(&whole, "")).as_deref(), Some(&*whole));
    assert_eq!(named(body(&label, &label)), Some(whole.clone()));
    assert_eq!(
        named(body("box", "d.example")).as_deref(),
        Some("box.d.example")
    );
    for error in [
        refused(body(&format!("{whole}.b"), "")),
        refused(body(&label, &format!("{label}.b"))),
    ] {
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        assert!(
            error
                .message
                .ends_with("it has 65 bytes: the kernel keeps at most 64")
        );
    }
    let long = refused(body("", &format!("{whole}.b")));
    assert!(
        long.message.starts_with("invalid Domainname"),
        "{}",
        long.message
    );
}

#[test]
fn name_servers_and_search_domains_are_taken_as_often_as_they_are_given() {
    let planned = |host: Value| planned(Version::NEWEST, json!({ "HostConfig": host })).unwrap();
    let twice = planned(json!({ "Dns": ["192.0.2.1", "192.0.2.1", "192.0.2.2"] }));
    assert_eq!(twice.create.add.dns.servers.len(), 2);
    assert_eq!(twice.warnings, [""; 0]);
    let nine: Vec<String> = (1..=9).map(|last| format!("192.0.2.{last}")).collect();
    let nine = planned(json!({ "Dns": nine }));
    assert_eq!(nine.create.add.dns.servers.len(), 8);
    assert_eq!(
        nine.warnings,
        ["HostConfig.Dns has 9 name servers: the first 8 are asked."]
    );
    assert_eq!(nine.create.workload.shown.dns[0].len(), 9);
    let none = planned(json!({ "DnsSearch": ["."] }));
    assert_eq!(none.create.add.dns.search, [".".parse().unwrap()]);
}

#[test]
fn resources_privileges_and_devices_of_the_vm_are_carried_out() {
    let host = json!({
        "Memory": 64 << 20, "MemorySwap": -1, "MemoryReservation": 32 << 20, "CpuShares": 512,
        "CpuQuota": 50_000, "CpuPeriod": 50_000, "CpusetCpus": "0", "CpusetMems": "0",
        "PidsLimit": 64, "ShmSize": 1 << 20, "ConsoleSize": [30, 100],
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
        "MaskedPaths": [], "ReadonlyPaths": ["/proc/sys"], "StorageOpt": { "size": "64M" },
        "Devices": [{ "PathOnHost": "/dev/net/tun", "PathInContainer": "/dev/tap", "CgroupPermissions": "rw" },
            { "PathOnHost": "/dev/loop3" }],
        "UsernsMode": "host", "IpcMode": "shareable", "CgroupnsMode": "private", "Runtime": "vm",
    });
    let workload = plan_of(json!({ "HostConfig": host })).workload;
    let resources = &workload.resources;
    assert_eq!(resources.memory_swap, -1);
    assert_eq!(resources.memory_reservation, 32 << 20);
    assert_eq!(resources.cpu_shares, 512);
    assert_eq!(resources.processors_nano(), 1_000_000_000);
    assert_eq!(
        [&*resources.cpuset_cpus, &*resources.cpuset_mems],
        ["0", "0"]
    );
    assert_eq!(resources.tasks, 64);
    assert!(workload.unfiltered && !workload.privileged);
    assert_eq!(workload.masked_paths, Some(Vec::new()));
    assert_eq!(
        workload.read_only_paths.as_deref(),
        Some(&["/proc/sys".to_owned()][..])
    );
    assert_eq!(workload.console_size, Some([30, 100]));
    assert_eq!(workload.disk_bytes, Some(64 << 20));
    let devices: Vec<[&str; 3]> = workload
        .devices
        .iter()
        .map(|device| [&*device.source, &*device.path, &*device.access])
        .collect();
    let expected = [
        ["/dev/net/tun", "/dev/tap", "rw"],
        ["/dev/loop3", "/dev/loop3", "rwm"],
    ];
    assert_eq!(devices, expected);
    let error = refused(json!({ "HostConfig": { "Devices": [{ "PathOnHost": "/dev/sda" }] } }));
    assert_eq!(error.status, StatusCode::BAD_REQUEST);
    assert!(
        error
            .message
            .starts_with("HostConfig.Devices cannot have \"/dev/sda\"")
    );
    let none = plan_of(json!({ "HostConfig": { "IpcMode": "none" } })).workload;
    assert_eq!(none.shm_bytes, Some(0));
    let all = plan_of(json!({ "HostConfig": { "Privileged": true, "MaskedPaths": [] } })).workload;
    assert!(all.privileged && all.masked_paths.is_none());
}

#[test]
fn what_dockerd_discards_on_such_a_kernel_is_discarded_with_its_warning() {
    let warned = |version: u32, host: Value| {
        let planned = planned(Version(version), json!({ "HostConfig": host })).unwrap();
        let words = planned.warnings.join(" ");
        words.split(' ').last().unwrap_or_default().to_owned()
    };
    assert_eq!(warned(50, json!({ "MemorySwappiness": -1 })), "");
    assert_eq!(warned(50, json!({ "MemorySwappiness": 5 })), "discarded.");
    assert_eq!(warned(50, json!({ "OomKillDisable": true })), "discarded.");
    assert_eq!(warned(50, json!({ "CpuPercent": 5 })), "discarded.");
    assert_eq!(warned(41, json!({ "KernelMemory": 7 << 20 })), "discarded.");
    assert_eq!(warned(50, json!({ "KernelMemory": 7 << 20 })), "");
    let mac = json!({ "MacAddress": "02:00:00:00:00:09" });
    assert_eq!(planned(Version(43), mac.clone()).unwrap().warnings, [""; 0]);
    assert_eq!(planned(Version(44), mac).unwrap().warnings, [MAC_WARNING]);
}

#[test]
fn volumes_are_folders_of_the_containers_own_and_the_answer_says_so() {
    let body: Body = serde_json::from_value(json!({ "Volumes": { "/data/": {} } })).unwrap();
    let image = Image {
        volumes: vec!["/var/lib/db".to_owned(), "/data".to_owned()],
        ..image()
    };
    let around = Around {
        version: Version::NEWEST,
        name: "web".parse().unwrap(),
        image: &image,
        host_gateway: None,
    };
    let planned = plan(&body, around).unwrap();
    assert_eq!(planned.create.workload.volumes, ["/data", "/var/lib/db"]);
    assert_eq!(
        planned.warnings,
        [
            "Volumes are not there yet: /data, /var/lib/db is part of the container's own file system, and removed with it."
        ]
    );
}

#[test]
fn a_health_checks_pace_is_its_own_while_the_container_starts() {
    let body = json!({ "Healthcheck": { "Test": ["CMD", "true"], "StartInterval": 2_000_000 } });
    let pace = |version: u32| {
        let planned = planned(Version(version), body.clone()).unwrap();
        planned.create.workload.health.unwrap().start_interval_ns
    };
    assert_eq!(pace(44), 2_000_000);
    // Before it was there it is not read.
    assert_eq!(pace(43), 0);
    let wrong = refused(json!({ "Healthcheck": { "Test": ["SHELL", "true"] } }));
    assert!(
        wrong
            .message
            .starts_with("Healthcheck.Test cannot begin with \"SHELL\"")
    );
}

#[test]
fn an_image_of_another_platform_is_not_found() {
    let image = image();
    let check = |text: &str| platform::check(text, "box", &image);
    for text in [
        "linux",
        "amd64",
        "linux/amd64",
        "linux/x86_64",
        "LINUX/AMD64/v1",
        r#"{"os":"linux","architecture":"amd64"}"#,
    ] {
        assert_eq!(check(text), Ok(()), "{text}");
    }
    let other = check("linux/arm64/v8").unwrap_err();
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    assert_eq!(
        other.message,
        "image with reference box was found but its platform (linux/amd64) does not match the specified platform (linux/arm64/v8)"
    );
    for text in ["tin", "a/b/c/d", "linux/", "li nux/amd64"] {
        let wrong = check(text).unwrap_err();
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{text}");
        assert!(wrong.message.contains(text), "{}", wrong.message);
    }
}
