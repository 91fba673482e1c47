//! Plans a container: converts the body of `POST /containers/create` and the container's image to one request for
//! the runtime, without I/O. Every field of the body is carried out, refused by its name, ignored with a
//! warning, or documented as having no effect.

mod document;
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

/// The settings that a container inherits from its image, by their names in the image specification's `Config`. The
/// body's settings take precedence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The image's ID, `sha256:…`.
    pub id: String,
    /// The image's `User`: the process's user, and its group behind a colon. Empty for root.
    pub user: String,
    /// The keys of the image's `ExposedPorts`, such as `80/tcp`.
    pub exposed: Vec<String>,
    /// The image's `Env`: environment variables as `NAME=value`.
    pub environment: Vec<String>,
    /// The image's `Entrypoint`: the program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The image's `Cmd`: further arguments, or the whole command of an image without entrypoint.
    pub command: Vec<String>,
    /// The image's `WorkingDir`: the working directory. Empty for `/`.
    pub dir: String,
    /// The image's `Labels`.
    pub labels: BTreeMap<String, String>,
    /// The image's `StopSignal`: the signal that asks a container to end. Empty for SIGTERM.
    pub stop_signal: String,
    /// The image's `Healthcheck`; `None` if the image has none.
    pub health: Option<HealthCheck>,
    /// The keys of the image's `Volumes`: the paths that it declares as volumes.
    pub volumes: Vec<String>,
    /// The image's platform in lower case: `os`, `architecture` and `variant`. The variant is often empty.
    pub platform: [String; 3],
}

/// The parameters of [`plan`] that are not in the request's body.
#[derive(Clone, Debug)]
pub struct CreateContext<'a> {
    /// The API version of the request.
    pub version: Version,
    /// The container's name.
    pub name: ContainerName,
    /// The container's image.
    pub image: &'a Image,
    /// The address that `host-gateway` in an `--add-host` stands for: the VCH's on the default bridge. `None` if
    /// the VCH has none.
    pub host_gateway: Option<IpAddr>,
}

/// The result of [`plan`]: a container that can be created.
#[derive(Debug)]
pub struct Planned {
    /// The container with its endpoints, for `Runtime::create`, which makes it in one transaction of the ledger.
    pub create: Create,
    /// The warnings of the response, in sentences: settings of the body that are ignored, outdated or have less effect
    /// than in dockerd. Empty without warnings.
    pub warnings: Vec<String>,
}

const MAC_WARNING: &str = "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.";

/// Plans a container from the body of its request. Creates nothing: the caller passes [`Planned::create`] to
/// `Runtime::create`.
///
/// # Errors
/// Returns dockerd's status and message if dockerd refuses the request too. Otherwise returns 400 or 501, with the
/// field, its value and a remedy.
pub fn plan(body: &Body, context: CreateContext<'_>) -> Result<Planned, DockerError> {
    let CreateContext { version, image, .. } = context;
    let host = &body.host_config;
    let document = document::document(body, image, version);
    let mut workload = Workload {
        image: image.id.clone(),
        image_name: body.image.clone(),
        exposed: Some(document.exposed.clone()),
        api_document: document.to_value(),
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
