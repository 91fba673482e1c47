//! The part of a container's body that is only shown again as it was written.

use crate::{
    Version,
    containers::{
        body::{Body, HostBinding},
        create::{Image, endpoints::network},
        document::ContainerDocument,
        written::{WrittenConfig, WrittenHost},
    },
    gates,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Returns the data that inspect shows in addition to the data in force.
pub fn document(body: &Body, image: &Image, version: Version) -> ContainerDocument {
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
        // Up to version 1.43 the MAC address was the container's; it is now its first endpoint's.
        let first = endpoints
            .entry(network(&host.network_mode).to_owned())
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(settings) = first.as_object_mut() {
            settings.insert("MacAddress".to_owned(), body.mac_address.as_str().into());
        }
    }
    ContainerDocument {
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

fn host_config(body: &Body, version: Version) -> WrittenHost {
    let host = &body.host_config;
    let annotations = gates::CREATE_ANNOTATIONS.then(version, &host.annotations);
    WrittenHost {
        container_id_file: host.container_id_file.clone(),
        log_config: Some(host.log_config.clone()).filter(|log| !log.r#type.is_empty()),
        volume_driver: host.volume_driver.clone(),
        console_size: gates::CONSOLE_SIZE
            .then(version, host.console_size)
            .flatten(),
        annotations: annotations.cloned().unwrap_or_default(),
        ipc_mode: host.ipc_mode.clone(),
        userns_mode: host.userns_mode.clone(),
        isolation: host.isolation.clone(),
        security_opt: host.security_opt.clone(),
        storage_opt: host.storage_opt.clone(),
        tmpfs: host.tmpfs.clone(),
        mounts: host.mounts.clone(),
        devices: host.devices.clone(),
        init: host.init,
        cpu_count: (host.cpu_count != 0).then_some(host.cpu_count),
        masked_paths: host.masked_paths.clone(),
        readonly_paths: host.readonly_paths.clone(),
    }
}

fn config(body: &Body, image: &Image) -> WrittenConfig {
    let volumes = body.volumes.keys().chain(&image.volumes);
    WrittenConfig {
        network_disabled: body.network_disabled.then_some(true),
        on_build: body.on_build.clone(),
        shell: body.shell.list().to_vec(),
        volumes: volumes
            .map(|path| (path.clone(), Value::Object(Map::new())))
            .collect(),
    }
}
