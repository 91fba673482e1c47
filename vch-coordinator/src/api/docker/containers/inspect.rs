//! `GET /containers/{id}/json`: pure.

use super::{super::Version, scene::Scene, status};
use crate::runtime::workload::{HealthCheck, RestartWhen, Workload};
use serde_json::{Map, Value, json};

/// Docker's, of /dev/shm where nothing else was asked for.
const SHM: i64 = 64 << 20;

/// All that Docker shows of a container.
pub fn inspect(scene: &Scene, version: Version, execs: &[String]) -> Value {
    let looked = &scene.looked;
    let workload = &*looked.workload;
    let words = [&workload.entrypoint[..], &workload.command].concat();
    let (path, arguments) = match words.split_first() {
        Some((first, rest)) => (first.clone(), rest.to_vec()),
        None => (String::new(), Vec::new()),
    };
    json!({
        "Id": looked.container.id.to_string(),
        "Created": status::moment(looked.container.created_ms),
        "Path": path,
        "Args": arguments,
        "State": status::state(looked, looked.health.as_ref()),
        "Image": workload.image,
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": "",
        "Name": format!("/{}", looked.container.name),
        "RestartCount": looked.life.restarts,
        "Driver": "squashfs",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": match execs {
            [] => Value::Null,
            execs => json!(execs),
        },
        "HostConfig": host_config(workload),
        "GraphDriver": { "Data": null, "Name": "squashfs" },
        "Mounts": [],
        "Config": config(scene, version),
        "NetworkSettings": network_settings(scene, version),
    })
}

fn config(scene: &Scene, version: Version) -> Value {
    let looked = &scene.looked;
    let workload = &*looked.workload;
    let list = |list: &[String]| match list {
        [] => Value::Null,
        list => json!(list),
    };
    let [stdin, stdout, stderr] = workload.attach;
    let mut shown = json!({
        "Hostname": looked.container.hostname.to_string(),
        "Domainname": workload.domain,
        "User": workload.user,
        "AttachStdin": stdin,
        "AttachStdout": stdout,
        "AttachStderr": stderr,
        "Tty": workload.terminal,
        "OpenStdin": workload.input,
        "StdinOnce": workload.input_once,
        "Env": workload.environment,
        "Cmd": list(&workload.command),
        "Image": workload.image_name,
        "Volumes": null,
        "WorkingDir": workload.folder,
        "Entrypoint": list(&workload.entrypoint),
        "OnBuild": null,
        "Labels": workload.labels,
    });
    let Some(map) = shown.as_object_mut() else {
        return shown;
    };
    // Keys that dockerd leaves out where they are empty.
    if !workload.shown.exposed.is_empty() {
        let ports = workload.shown.exposed.iter();
        let ports: Map<String, Value> = ports.map(|port| (key(port), json!({}))).collect();
        map.insert("ExposedPorts".to_owned(), Value::Object(ports));
    }
    if let Some(health) = &workload.health {
        map.insert("Healthcheck".to_owned(), healthcheck(health));
    }
    if let Some(signal) = &workload.stop_signal {
        map.insert("StopSignal".to_owned(), json!(signal));
    }
    if let Some(timeout) = workload.stop_timeout {
        map.insert("StopTimeout".to_owned(), json!(timeout));
    }
    if version < Version(44)
        && let Some(mac) = written_mac(scene)
    {
        map.insert("MacAddress".to_owned(), json!(mac));
    }
    shown
}

/// A MAC address that the user chose.
fn written_mac(scene: &Scene) -> Option<String> {
    let mut written = scene.looked.workload.shown.endpoints.values();
    written.find_map(|text| {
        let value: Value = serde_json::from_str(text).ok()?;
        let mac = value.get("MacAddress")?.as_str()?;
        (!mac.is_empty()).then(|| mac.to_owned())
    })
}

/// `80` is shown as `80/tcp`.
fn key(port: &str) -> String {
    match port.contains('/') {
        true => port.to_owned(),
        false => format!("{port}/tcp"),
    }
}

fn healthcheck(health: &HealthCheck) -> Value {
    let mut shown = Map::new();
    if !health.test.is_empty() {
        shown.insert("Test".to_owned(), json!(health.test));
    }
    for (key, value) in [
        ("Interval", health.interval_ns),
        ("Timeout", health.timeout_ns),
        ("StartPeriod", health.start_period_ns),
        ("Retries", health.retries),
    ] {
        if value != 0 {
            shown.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(shown)
}

fn host_config(workload: &Workload) -> Value {
    let list = |list: &[String]| match list {
        [] => Value::Null,
        list => json!(list),
    };
    let restart = match workload.restart.when {
        RestartWhen::No => "no",
        RestartWhen::OnFailure => "on-failure",
        RestartWhen::Always => "always",
        RestartWhen::UnlessStopped => "unless-stopped",
    };
    let binding = |(ip, port): &(String, String)| json!({ "HostIp": ip, "HostPort": port });
    let bindings = workload.shown.bindings.iter();
    let bindings: Map<String, Value> = bindings
        .map(|(port, all)| (key(port), all.iter().map(binding).collect()))
        .collect();
    let [add, drop] = &workload.capabilities;
    let [servers, search, options] = &workload.shown.dns;
    let limit = |(name, soft, hard): &(String, i64, i64)| json!({ "Name": name, "Hard": hard, "Soft": soft });
    let limits = match workload.limits.as_slice() {
        [] => Value::Null,
        limits => limits.iter().map(limit).collect(),
    };
    let mut shown = json!({
        "Binds": null,
        "ContainerIDFile": "",
        "LogConfig": { "Type": "json-file", "Config": workload.log },
        "NetworkMode": workload.network_mode,
        "PortBindings": bindings,
        "RestartPolicy": { "Name": restart, "MaximumRetryCount": workload.restart.most },
        "AutoRemove": workload.remove_at_end,
        "VolumeDriver": "",
        "VolumesFrom": null,
        "CapAdd": list(add),
        "CapDrop": list(drop),
        "CgroupnsMode": "private",
        "Dns": servers,
        "DnsOptions": options,
        "DnsSearch": search,
        "ExtraHosts": list(&workload.shown.extra_hosts),
        "GroupAdd": list(&workload.groups),
        "IpcMode": "private",
        "Cgroup": "",
        "Links": list(&workload.shown.links),
        "OomScoreAdj": workload.oom_score,
        "PidMode": "",
        "Privileged": false,
        "PublishAllPorts": workload.shown.publish_all,
        "ReadonlyRootfs": workload.read_only,
        "SecurityOpt": match workload.no_new_privileges {
            true => json!(["no-new-privileges"]),
            false => Value::Null,
        },
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": workload.shm_bytes.unwrap_or(SHM),
        "Runtime": "vm",
        "ConsoleSize": [0, 0],
        "Isolation": "",
    });
    if let Some(map) = shown.as_object_mut() {
        map.extend(resources(workload));
        map.insert("Ulimits".to_owned(), limits);
        if !workload.tmpfs.is_empty() {
            map.insert("Tmpfs".to_owned(), json!(workload.tmpfs));
        }
        if !workload.sysctls.is_empty() {
            map.insert("Sysctls".to_owned(), json!(workload.sysctls));
        }
        if workload.reaper {
            map.insert("Init".to_owned(), json!(true));
        }
    }
    shown
}

fn resources(workload: &Workload) -> Map<String, Value> {
    let shown = json!({
        "CpuShares": 0,
        "Memory": workload.resources.memory,
        "NanoCpus": workload.resources.nano_cpus,
        "CgroupParent": "",
        "BlkioWeight": 0,
        "BlkioWeightDevice": [],
        "BlkioDeviceReadBps": null,
        "BlkioDeviceWriteBps": null,
        "BlkioDeviceReadIOps": null,
        "BlkioDeviceWriteIOps": null,
        "CpuPeriod": 0,
        "CpuQuota": 0,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": "",
        "CpusetMems": "",
        "Devices": [],
        "DeviceCgroupRules": null,
        "DeviceRequests": null,
        "KernelMemory": 0,
        "KernelMemoryTCP": 0,
        "MemoryReservation": 0,
        "MemorySwap": 0,
        "MemorySwappiness": null,
        "OomKillDisable": false,
        "PidsLimit": null,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
        "MaskedPaths": [],
        "ReadonlyPaths": [],
    });
    match shown {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn network_settings(scene: &Scene, version: Version) -> Value {
    let places = scene.places(version);
    let mut shown = json!({
        "Bridge": "",
        "SandboxID": match scene.looked.container.incarnation {
            Some(_) => scene.looked.container.id.to_string(),
            None => String::new(),
        },
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": scene.ports(),
        "SandboxKey": "",
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
    });
    // The place on the default bridge is repeated, for old clients.
    let bridge = places.get("bridge");
    let text = |key: &str| match bridge.and_then(|place| place.get(key)) {
        Some(value) => value.clone(),
        None => json!(""),
    };
    let number = |key: &str| match bridge.and_then(|place| place.get(key)) {
        Some(value) => value.clone(),
        None => json!(0),
    };
    if let Some(map) = shown.as_object_mut() {
        for key in [
            "EndpointID",
            "Gateway",
            "GlobalIPv6Address",
            "IPAddress",
            "IPv6Gateway",
            "MacAddress",
        ] {
            map.insert(key.to_owned(), text(key));
        }
        for key in ["GlobalIPv6PrefixLen", "IPPrefixLen"] {
            map.insert(key.to_owned(), number(key));
        }
        map.insert("Networks".to_owned(), Value::Object(places));
    }
    shown
}
