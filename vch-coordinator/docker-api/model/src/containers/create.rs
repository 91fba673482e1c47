//! Converts the body of `POST /containers/create` and the container's image to the requests for the
//! ledger and the runtime, without I/O. Every field is carried out, or refused by its name.

mod endpoints;
mod host;
mod log;
mod modes;
mod mounts;
mod platform;
mod ports;
mod process;
mod refused;
mod resources;
mod security;
mod shown;

pub use endpoints::{DEFAULT, network};
pub use host::restart_policy;
pub use log::is_read as is_log_read;
pub use modes::RUNTIME;
pub use platform::{check as check_platform, only_ours};
pub use resources::read as resources;

use crate::{DockerError, Version, containers::body::Body, gates};
use protocol::spec::Hostname;
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{AddContainer, Channel, ContainerName};
use vch_runtime::{
    Create,
    workload::{HealthCheck, Workload},
};

/// The part of an image that a container inherits: `Config` of the image specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The image's ID, `sha256:…`.
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
    pub dir: String,
    /// `Labels`.
    pub labels: BTreeMap<String, String>,
    /// `StopSignal`.
    pub stop_signal: String,
    /// `Healthcheck`.
    pub health: Option<HealthCheck>,
    /// `Volumes`.
    pub volumes: Vec<String>,
    /// `os`, `architecture`, `variant`.
    pub platform: [String; 3],
}

/// The context of a plan.
#[derive(Clone, Debug)]
pub struct CreateContext<'a> {
    /// The API version of the request.
    pub version: Version,
    /// The container's name.
    pub name: ContainerName,
    /// The container's image.
    pub image: &'a Image,
    /// The address that `host-gateway` stands for: the VCH's on the default bridge.
    pub host_gateway: Option<IpAddr>,
}

/// The plan for a container.
#[derive(Debug)]
pub struct Planned {
    /// The request to the runtime.
    pub create: Create,
    /// `Warnings` of the response.
    pub warnings: Vec<String>,
}

const MAC_WARNING: &str = "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.";

/// Plans a container.
///
/// # Errors
/// Returns dockerd's error if dockerd refuses the request too; otherwise an error with the field, its value and a remedy.
pub fn plan(body: &Body, context: CreateContext<'_>) -> Result<Planned, DockerError> {
    let CreateContext { version, image, .. } = context;
    let host = &body.host_config;
    let shown = shown::shown(body, image, version);
    let mut workload = Workload {
        image: image.id.clone(),
        image_name: body.image.clone(),
        exposed: Some(shown.exposed.clone()),
        shown: shown.document(),
        network_mode: match host.network_mode.as_str() {
            "" | "default" => DEFAULT.to_owned(),
            other => other.to_owned(),
        },
        ..Workload::default()
    };
    modes::check(body)?;
    log::check(host)?;
    let (resources, mut warnings) = resources::read(host, version, false)?;
    workload.resources = resources;
    process::fill(&mut workload, body, image, version)?;
    host::fill(&mut workload, body)?;
    if !gates::CONSOLE_SIZE.is_open(version) {
        workload.console_size = None;
    }
    security::fill(&mut workload, host)?;
    mounts::fill(&mut workload, body, image, version, &mut warnings)?;
    if gates::SEVERAL_ENDPOINTS.is_open(version) && !body.mac_address.is_empty() {
        warnings.push(MAC_WARNING.to_owned());
    }
    if context.name.as_str().parse::<Hostname>().is_err() {
        let name = &context.name;
        warnings.push(format!(
            "Containers do not find {name} by its name, which DNS cannot hold: each part between dots has 1 to 63 letters, digits, - and _, and begins and ends with a letter or digit. They find it by its ID, host name and aliases."
        ));
    }
    let connect = endpoints::wanted(body, &workload.labels, version)?;
    let ports = ports::wanted(body, &image.exposed)?;
    let add = AddContainer {
        name: context.name,
        hostname: host::hostname(body)?,
        domain: host::domain(body)?,
        sysctls: host::link_sysctls(&body.host_config.sysctls),
        // The runtime sets the channel.
        channel: Channel::Unix { path: None },
        dns: host::dns(body, &mut warnings)?,
        extra_hosts: host::extra_hosts(body, context.host_gateway)?,
        ports,
        publish_all: host.publish_all_ports,
    };
    Ok(Planned {
        create: Create {
            add,
            workload,
            connect,
        },
        warnings,
    })
}

#[cfg(test)]
mod tests;
