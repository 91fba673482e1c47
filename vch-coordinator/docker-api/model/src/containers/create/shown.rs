//! What of a container's body is only shown again, as it was written: pure.

use crate::{
    Version,
    containers::{
        body::{Body, HostBinding},
        create::{Image, endpoints::network},
        shown::Shown,
    },
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// From this version on there are annotations.
const ANNOTATIONS: Version = Version(43);

/// What inspect shows beside what is in force.
pub fn shown(body: &Body, image: &Image, version: Version) -> Shown {
    let host = &body.host_config;
    let mut exposed: Vec<String> = body
        .exposed_ports
        .keys()
        .chain(&image.exposed)
        .cloned()
        .collect();
    exposed.sort();
    exposed.dedup();
    let pair = |binding: &HostBinding| (binding.host_ip.clone(), binding.host_port.clone());
    let bindings = host
        .port_bindings
        .iter()
        .map(|(port, all)| (port.clone(), all.iter().map(pair).collect()));
    let endpoints = body.networking_config.endpoints_config.clone();
    let named = |(name, settings): (String, Value)| (network(&name).to_owned(), settings);
    let mut endpoints: BTreeMap<String, Value> = endpoints.into_iter().map(named).collect();
    if !body.mac_address.is_empty() {
        // Of the container as a whole it was up to 1.43; it is its first endpoint's.
        let first = endpoints
            .entry(network(&host.network_mode).to_owned())
            .or_insert_with(|| json!({}));
        if let Some(settings) = first.as_object_mut() {
            settings.insert("MacAddress".to_owned(), json!(body.mac_address));
        }
    }
    Shown {
        host: host_config(body, version),
        config: config(body, image),
        exposed,
        bindings: bindings.collect(),
        publish_all: host.publish_all_ports,
        links: host.links.clone(),
        dns: [
            host.dns.clone(),
            host.dns_search.clone(),
            host.dns_options.clone(),
        ],
        extra_hosts: host.extra_hosts.clone(),
        endpoints: endpoints
            .iter()
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect(),
    }
}

/// Without what is nothing.
fn given(all: Value) -> Map<String, Value> {
    let Value::Object(mut all) = all else {
        return Map::new();
    };
    all.retain(|_, value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    });
    all
}

fn host_config(body: &Body, version: Version) -> Map<String, Value> {
    let host = &body.host_config;
    let devices = host.devices.iter().map(|device| {
        json!({
            "PathOnHost": device.path_on_host,
            "PathInContainer": device.path_in_container,
            "CgroupPermissions": device.cgroup_permissions,
        })
    });
    let mut all = given(json!({
        "ContainerIDFile": host.container_id_file,
        "LogConfig": match host.log_config.r#type.as_str() {
            "" => Value::Null,
            driver => json!({ "Type": driver, "Config": host.log_config.config }),
        },
        "VolumeDriver": host.volume_driver,
        "ConsoleSize": host.console_size.filter(|_| version >= crate::containers::create::CONSOLE_SIZE),
        "Annotations": match version < ANNOTATIONS {
            true => Value::Null,
            false => json!(host.annotations),
        },
        "IpcMode": host.ipc_mode,
        "UsernsMode": host.userns_mode,
        "Isolation": host.isolation,
        "SecurityOpt": host.security_opt,
        "StorageOpt": host.storage_opt,
        "Tmpfs": host.tmpfs,
        "Mounts": host.mounts,
        "Devices": devices.collect::<Vec<_>>(),
        "Init": host.init,
        "CpuCount": (host.cpu_count != 0).then_some(host.cpu_count),
    }));
    // An empty list says something here: nothing is covered.
    for (field, list) in [
        ("MaskedPaths", &host.masked_paths),
        ("ReadonlyPaths", &host.readonly_paths),
    ] {
        if let Some(list) = list {
            all.insert(field.to_owned(), json!(list));
        }
    }
    all
}

fn config(body: &Body, image: &Image) -> Map<String, Value> {
    let volumes: Map<String, Value> = body
        .volumes
        .keys()
        .chain(&image.volumes)
        .map(|path| (path.clone(), json!({})))
        .collect();
    given(json!({
        "NetworkDisabled": body.network_disabled.then_some(true),
        "OnBuild": body.on_build,
        "Shell": body.shell.list(),
        "Volumes": volumes,
    }))
}
