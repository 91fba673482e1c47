//! From the body of `POST /containers/create` and its image to what the ledger and the runtime are
//! asked: pure. Every field is carried out, or refused by its name.

mod host;
mod places;
mod ports;
mod process;
mod refused;

pub use host::{resources, restart_policy};
pub use refused::resources as check_resources;

use super::{
    super::{DockerError, Version},
    body::Body,
};
use crate::runtime::{
    Create,
    workload::{HealthCheck, Shown, Workload},
};
use serde_json::json;
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{AddContainer, Channel, ContainerName};

/// An image, as far as a container made of it takes after it: `Config` of the image specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// `sha256:…`.
    pub id: String,
    /// `User`.
    pub user: String,
    /// `ExposedPorts`.
    pub exposed: Vec<String>,
    /// `Env`.
    pub environment: Vec<String>,
    /// `Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `Cmd`.
    pub command: Vec<String>,
    /// `WorkingDir`.
    pub folder: String,
    /// `Labels`.
    pub labels: BTreeMap<String, String>,
    /// `StopSignal`.
    pub stop_signal: String,
    /// `Healthcheck`.
    pub health: Option<HealthCheck>,
}

/// What else decides.
#[derive(Clone, Debug)]
pub struct Around<'a> {
    /// Of the request.
    pub version: Version,
    /// The container's name.
    pub name: ContainerName,
    /// Its image.
    pub image: &'a Image,
    /// What `host-gateway` means: the VCH on the default bridge.
    pub host_gateway: Option<IpAddr>,
}

/// What is asked of the runtime.
///
/// # Errors
/// In dockerd's words where it has the case; else the field, its value, and what to do instead.
pub fn plan(body: &Body, around: Around<'_>) -> Result<Create, DockerError> {
    refused::check(body)?;
    let connect = places::wanted(body, around.version)?;
    let ports = ports::wanted(body, &around.image.exposed)?;
    let mut workload = Workload {
        image: around.image.id.clone(),
        image_name: body.image.clone(),
        shown: shown(body, around.image),
        network_mode: match body.host_config.network_mode.as_str() {
            "" => "default".to_owned(),
            other => other.to_owned(),
        },
        ..Workload::default()
    };
    process::fill(&mut workload, body, around.image)?;
    host::fill(&mut workload, body)?;
    let add = AddContainer {
        name: around.name,
        hostname: host::hostname(body)?,
        domain: host::domain(body)?,
        sysctls: host::link_sysctls(&body.host_config.sysctls),
        // The runtime knows it.
        channel: Channel::Unix { path: None },
        dns: host::dns(body)?,
        extra_hosts: host::extra_hosts(body, around.host_gateway)?,
        ports,
        publish_all: body.host_config.publish_all_ports,
    };
    Ok(Create {
        add,
        workload,
        connect,
    })
}

fn shown(body: &Body, image: &Image) -> Shown {
    let host = &body.host_config;
    let mut exposed: Vec<String> = body
        .exposed_ports
        .keys()
        .chain(&image.exposed)
        .cloned()
        .collect();
    exposed.sort();
    exposed.dedup();
    let pair =
        |binding: &super::body::HostBinding| (binding.host_ip.clone(), binding.host_port.clone());
    let bindings = host
        .port_bindings
        .iter()
        .map(|(port, all)| (port.clone(), all.iter().map(pair).collect()));
    let mut endpoints = body.networking_config.endpoints_config.clone();
    if !body.mac_address.is_empty() {
        // Of the container as a whole it was up to 1.43; it is its first place's.
        let first = endpoints
            .entry(host.network_mode.clone())
            .or_insert_with(|| json!({}));
        if let Some(settings) = first.as_object_mut() {
            settings.insert("MacAddress".to_owned(), json!(body.mac_address));
        }
    }
    Shown {
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

#[cfg(test)]
mod tests;
