//! `GET /containers/{id}/json`: pure. Keys stand in dockerd's order, in which people read them.

use super::view::ContainerView;
use docker_model::{
    Version,
    containers::{
        create::{DEFAULT, RUNTIME, network},
        shown::Shown,
        status,
    },
    networks::endpoint::link_parts,
};
use protocol::process::{COVERED, READ_ONLY};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use vch_runtime::workload::{HealthCheck, RestartWhen, Workload};

/// Docker's, of /dev/shm where nothing else was asked for.
const SHM: i64 = 64 << 20;
/// Keys that dockerd leaves out where there is nothing; all others it shows with null.
const LEFT_OUT: &[&str] = &[
    "ExposedPorts",
    "Healthcheck",
    "MacAddress",
    "StopSignal",
    "StopTimeout",
    "Tmpfs",
    "Sysctls",
    "Init",
    "SizeRw",
    "SizeRootFs",
];

/// Without the keys that dockerd leaves out.
fn without_empty(mut shown: Value) -> Value {
    if let Some(map) = shown.as_object_mut() {
        map.retain(|key, value| !(value.is_null() && LEFT_OUT.contains(&key.as_str())));
    }
    shown
}

/// Null, as Go has it, of an empty list.
fn list(list: &[String]) -> Value {
    match list {
        [] => Value::Null,
        list => json!(list),
    }
}

/// All that Docker shows of a container.
pub fn inspect(view: &ContainerView, version: Version, execs: &[String]) -> Value {
    let snapshot = &view.snapshot;
    let workload = &*snapshot.workload;
    let words = [&workload.entrypoint[..], &workload.command].concat();
    let (path, arguments) = match words.split_first() {
        Some((first, rest)) => (first.clone(), rest.to_vec()),
        None => (String::new(), Vec::new()),
    };
    let sizes = view.sizes;
    without_empty(json!({
        "Id": snapshot.container.id.to_string(),
        "Created": status::moment(snapshot.container.created_ms),
        "Path": path,
        "Args": arguments,
        "State": status::state(snapshot, snapshot.health.as_ref()),
        "Image": workload.image,
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": "",
        "Name": format!("/{}", snapshot.container.name),
        "RestartCount": snapshot.life.restarts,
        "Driver": "squashfs",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": match execs {
            [] => Value::Null,
            execs => json!(execs),
        },
        "HostConfig": host_config(view),
        "GraphDriver": { "Data": null, "Name": "squashfs" },
        "SizeRw": sizes.map(|sizes| sizes.written),
        "SizeRootFs": sizes.map(|sizes| sizes.all()),
        "Mounts": mounts(&view.shown),
        "Config": config(view, version),
        "NetworkSettings": network_settings(view, version),
    }))
}

/// File systems in memory that were asked for as mounts: those of `--tmpfs` dockerd does not show here.
pub fn mounts(shown: &Shown) -> Vec<Value> {
    let written = shown.host.get("Mounts").and_then(Value::as_array);
    let shown = written.into_iter().flatten().map(|mount| {
        json!({
            "Type": "tmpfs",
            "Source": "",
            "Destination": mount.get("Target"),
            "Mode": "",
            "RW": mount.get("ReadOnly") != Some(&Value::Bool(true)),
            "Propagation": "",
        })
    });
    shown.collect()
}

fn config(view: &ContainerView, version: Version) -> Value {
    let snapshot = &view.snapshot;
    let workload = &*snapshot.workload;
    let [stdin, stdout, stderr] = workload.attach;
    let exposed = view.shown.exposed.iter();
    let exposed: Map<String, Value> = exposed.map(|port| (key(port), json!({}))).collect();
    let mac = match version < Version(44) {
        true => written_mac(view),
        false => None,
    };
    let mut shown = without_empty(json!({
        "Hostname": hostname(view),
        "Domainname": workload.domain,
        "User": workload.user,
        "AttachStdin": stdin,
        "AttachStdout": stdout,
        "AttachStderr": stderr,
        "ExposedPorts": match exposed.is_empty() {
            true => Value::Null,
            false => Value::Object(exposed),
        },
        "Tty": workload.terminal,
        "OpenStdin": workload.input,
        "StdinOnce": workload.input_once,
        "Env": workload.environment,
        "Cmd": list(&workload.command),
        "Healthcheck": workload.health.as_ref().map(healthcheck),
        "Image": workload.image_name,
        "Volumes": null,
        "WorkingDir": workload.dir,
        "Entrypoint": list(&workload.entrypoint),
        "MacAddress": mac,
        "OnBuild": null,
        "Labels": workload.labels,
        "StopSignal": workload.stop_signal,
        "StopTimeout": workload.stop_timeout,
    }));
    as_written(&mut shown, &view.shown.config);
    shown
}

/// As the user wrote it: with a domain, the ledger has both together.
fn hostname(view: &ContainerView) -> String {
    match &view.snapshot.workload.hostname {
        Some(written) => written.clone(),
        None => view.snapshot.container.hostname.to_string(),
    }
}

/// What was written stands in place of what would be shown else.
fn as_written(shown: &mut Value, written: &Map<String, Value>) {
    if let Some(shown) = shown.as_object_mut() {
        let written = written.iter();
        shown.extend(written.map(|(key, value)| (key.clone(), value.clone())));
    }
}

/// A MAC address that the user chose.
fn written_mac(view: &ContainerView) -> Option<String> {
    let mut written = view.shown.endpoints.values();
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
        ("StartInterval", health.start_interval_ns),
        ("Retries", health.retries),
    ] {
        if value != 0 {
            shown.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(shown)
}

/// The links of a container on the default bridge, as `/other:/own/alias`; on other networks they are their endpoints'.
fn links(view: &ContainerView) -> Vec<String> {
    if network(&view.snapshot.workload.network_mode) != DEFAULT {
        return Vec::new();
    }
    let own = &view.snapshot.container.name;
    let shown = view.shown.links.iter().map(|text| {
        let (other, alias) = link_parts(text);
        format!("/{other}:/{own}/{alias}")
    });
    shown.collect()
}

fn host_config(view: &ContainerView) -> Value {
    let workload = &*view.snapshot.workload;
    let written = &view.shown;
    let restart = match workload.restart.when {
        RestartWhen::No => "no",
        RestartWhen::OnFailure => "on-failure",
        RestartWhen::Always => "always",
        RestartWhen::UnlessStopped => "unless-stopped",
    };
    let binding = |(ip, port): &(String, String)| json!({ "HostIp": ip, "HostPort": port });
    let bindings = written.bindings.iter();
    let bindings: Map<String, Value> = bindings
        .map(|(port, all)| (key(port), all.iter().map(binding).collect()))
        .collect();
    let [add, drop] = &workload.capabilities;
    let [servers, search, options] = &written.dns;
    let marks = |marks: &BTreeMap<String, String>| match marks.is_empty() {
        true => Value::Null,
        false => json!(marks),
    };
    let mut shown = without_empty(json!({
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
        "ExtraHosts": list(&written.extra_hosts),
        "GroupAdd": list(&workload.groups),
        "IpcMode": "private",
        "Cgroup": "",
        "Links": list(&links(view)),
        "OomScoreAdj": workload.oom_score,
        "PidMode": "",
        "Privileged": workload.privileged,
        "PublishAllPorts": written.publish_all,
        "ReadonlyRootfs": workload.read_only,
        "SecurityOpt": null,
        "Tmpfs": match written.host.is_empty() {
            // What is kept by an older release.
            true => marks(&workload.tmpfs),
            false => Value::Null,
        },
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": workload.shm_bytes.filter(|bytes| *bytes > 0).unwrap_or(SHM),
        "Sysctls": marks(&workload.sysctls),
        "Runtime": RUNTIME,
        "ConsoleSize": [0, 0],
        "Isolation": "",
    }));
    if let (Some(map), Value::Object(resources)) = (shown.as_object_mut(), resources(workload)) {
        map.extend(resources);
    }
    let security = security(view);
    as_written(&mut shown, &written.host);
    if let Some(map) = shown.as_object_mut() {
        map.insert("SecurityOpt".to_owned(), security);
    }
    shown
}

/// As it was written; a privileged container has its labels switched off, as dockerd shows it.
fn security(view: &ContainerView) -> Value {
    const UNLABELLED: &str = "label=disable";
    let workload = &view.snapshot.workload;
    let written = view.shown.host.get("SecurityOpt");
    let mut all = match written.and_then(Value::as_array) {
        Some(written) => written.clone(),
        // What is kept by an older release.
        None if workload.no_new_privileges => vec![json!("no-new-privileges")],
        None => Vec::new(),
    };
    if workload.privileged && !all.contains(&json!(UNLABELLED)) {
        all.push(json!(UNLABELLED));
    }
    match all.is_empty() {
        true => Value::Null,
        false => Value::Array(all),
    }
}

fn resources(workload: &Workload) -> Value {
    let limit = |(name, soft, hard): &(String, i64, i64)| json!({ "Name": name, "Hard": hard, "Soft": soft });
    let limits: Vec<Value> = workload.limits.iter().map(limit).collect();
    let resources = &workload.resources;
    let covered = |paths: &Option<Vec<String>>, default: &[&str]| match (paths, workload.privileged)
    {
        (_, true) => Value::Null,
        (Some(paths), false) => json!(paths),
        (None, false) => json!(default),
    };
    without_empty(json!({
        "CpuShares": resources.cpu_shares,
        "Memory": resources.memory,
        "NanoCpus": resources.nano_cpus,
        "CgroupParent": "",
        "BlkioWeight": 0,
        "BlkioWeightDevice": [],
        "BlkioDeviceReadBps": [],
        "BlkioDeviceWriteBps": [],
        "BlkioDeviceReadIOps": [],
        "BlkioDeviceWriteIOps": [],
        "CpuPeriod": resources.cpu_period,
        "CpuQuota": resources.cpu_quota,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": resources.cpuset_cpus,
        "CpusetMems": resources.cpuset_mems,
        "Devices": [],
        "DeviceCgroupRules": null,
        "DeviceRequests": null,
        "MemoryReservation": resources.memory_reservation,
        "MemorySwap": resources.memory_swap,
        "MemorySwappiness": null,
        "OomKillDisable": false,
        "PidsLimit": match resources.tasks {
            0 => Value::Null,
            tasks => json!(tasks),
        },
        "Ulimits": limits,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
        "MaskedPaths": covered(&workload.masked_paths, COVERED),
        "ReadonlyPaths": covered(&workload.read_only_paths, READ_ONLY),
        "Init": workload.reaper.then_some(true),
    }))
}

fn network_settings(view: &ContainerView, version: Version) -> Value {
    let endpoints = view.endpoints(version);
    let mut shown = json!({
        "Bridge": "",
        "SandboxID": match view.snapshot.container.incarnation {
            Some(_) => view.snapshot.container.id.to_string(),
            None => String::new(),
        },
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": view.ports(),
        "SandboxKey": "",
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
    });
    // The endpoint on the default bridge is repeated, for old clients.
    let bridge = endpoints.get("bridge");
    if let Some(map) = shown.as_object_mut() {
        for (key, nothing) in [
            ("EndpointID", json!("")),
            ("Gateway", json!("")),
            ("GlobalIPv6Address", json!("")),
            ("GlobalIPv6PrefixLen", json!(0)),
            ("IPAddress", json!("")),
            ("IPPrefixLen", json!(0)),
            ("IPv6Gateway", json!("")),
            ("MacAddress", json!("")),
        ] {
            let value = bridge.and_then(|endpoint| endpoint.get(key)).cloned();
            map.insert(key.to_owned(), value.unwrap_or(nothing));
        }
        map.insert("Networks".to_owned(), Value::Object(endpoints));
    }
    shown
}
