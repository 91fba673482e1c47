//! Creates containers from what inspect shows.

use super::*;

/// Returns bodies that together have every option that a VCH supports.
pub fn every_option() -> Vec<(&'static str, Value)> {
    let plain = json!({ "Image": "busybox" });
    let own = json!({
        "Image": "busybox", "Hostname": "box", "Domainname": "d.example", "User": "7:8", "Tty": true,
        "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "OpenStdin": true, "StdinOnce": true,
        "ExposedPorts": { "80/tcp": {} }, "Env": ["A=b"], "Cmd": ["-f"], "Entrypoint": ["httpd"],
        "Healthcheck": { "Test": ["CMD", "true"], "Interval": 2_000_000_000_u64, "Timeout": 1_000_000_000,
            "StartPeriod": 5_000_000_000_u64, "StartInterval": 1_000_000_000, "Retries": 7 },
        "Volumes": { "/data": {} }, "WorkingDir": "/srv", "Labels": { "a": "b" }, "OnBuild": ["RUN true"],
        "Shell": ["/bin/sh", "-c"], "StopSignal": "SIGRTMIN+3", "StopTimeout": 4,
        "HostConfig": { "ConsoleSize": [30, 100], "AutoRemove": true, "Init": false },
    });
    let host = r#"{
        "Image": "busybox",
        "HostConfig": {
            "ContainerIDFile": "/id", "LogConfig": { "Type": "local", "Config": { "max-size": "1m", "max-file": "3" } },
            "NetworkMode": "web", "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] },
            "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 }, "Annotations": { "a": "b" },
            "CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"], "CgroupnsMode": "private", "Dns": ["192.0.2.1"],
            "DnsOptions": ["timeout:1"], "DnsSearch": ["."], "ExtraHosts": ["a:192.0.2.7"], "GroupAdd": ["9"],
            "IpcMode": "shareable", "OomScoreAdj": 100, "PublishAllPorts": true, "ReadonlyRootfs": true,
            "SecurityOpt": ["no-new-privileges", "seccomp=unconfined"], "StorageOpt": { "size": "64M" },
            "Tmpfs": { "/run": "size=1m" }, "UsernsMode": "host", "ShmSize": 1048576,
            "Sysctls": { "net.ipv4.ip_forward": "1" }, "Isolation": "default", "CpuShares": 512,
            "Memory": 67108864, "MemoryReservation": 33554432, "MemorySwap": -1, "CpuPeriod": 50000,
            "CpuQuota": 25000, "CpusetCpus": "0", "CpusetMems": "0", "PidsLimit": 64, "CpuCount": 1,
            "Devices": [{ "PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm" }],
            "Ulimits": [{ "Name": "nofile", "Soft": 5, "Hard": 6 }], "Init": true,
            "Mounts": [{ "Type": "tmpfs", "Target": "/m", "TmpfsOptions": { "SizeBytes": 4096 } }],
            "MaskedPaths": [], "ReadonlyPaths": ["/proc/sys"]
        },
        "NetworkingConfig": { "EndpointsConfig": { "web": {
            "Aliases": ["www"], "MacAddress": "02:00:00:00:00:07", "GwPriority": 3,
            "IPAMConfig": { "IPv4Address": "172.18.0.77" }, "DriverOpts": { "vch.rate": "50Mbit", "a": "b" }
        } } }
    }"#;
    let host = serde_json::from_str(host).unwrap();
    let all = json!({ "Image": "busybox", "HostConfig": { "Privileged": true, "NanoCpus": 500_000_000, "IpcMode": "none" } });
    let limited = json!({ "Image": "busybox", "Labels": { "vch.rate": "10mbit" } });
    let alone = json!({ "Image": "busybox", "NetworkDisabled": true, "HostConfig": { "NetworkMode": "none" } });
    vec![
        ("plain", plain),
        ("own", own),
        ("host", host),
        ("all", all),
        ("alone", alone),
        ("limited", limited),
    ]
}

/// Checks what programs rely on that recreate a container with another image or name.
#[test]
fn what_inspect_shows_can_be_created_again_for_a_container_of_any_option() {
    for (name, body) in every_option() {
        let mut world = World::new();
        world.create(name, body.clone());
        let first = inspected(&world, name, 50);
        for (part, written) in [("HostConfig", &body["HostConfig"]), ("Config", &body)] {
            for (field, value) in written.as_object().into_iter().flatten() {
                if !matches!(field.as_str(), "HostConfig" | "NetworkingConfig" | "CapAdd") {
                    assert_eq!(&first[part][field], value, "{part}.{field} of {name}");
                }
            }
        }
        world.decide(Command::RemoveContainer {
            container: name.into(),
            force: true,
        });
        let mut again = first["Config"].clone();
        again["HostConfig"] = first["HostConfig"].clone();
        let networks = &first["NetworkSettings"]["Networks"];
        again["NetworkingConfig"] = json!({ "EndpointsConfig": networks });
        world.create(name, again);
        let second = inspected(&world, name, 50);
        assert_eq!(second["Config"], first["Config"], "{name}");
        assert_eq!(second["HostConfig"], first["HostConfig"], "{name}");
        for (network, endpoint) in networks.as_object().into_iter().flatten() {
            for key in ["Aliases", "IPAMConfig", "GwPriority", "Links", "DriverOpts"] {
                let shown = &second["NetworkSettings"]["Networks"][network][key];
                assert_eq!(*shown, endpoint[key], "{key} of {name} on {network}");
            }
        }
    }
}
