//! Where metrics are read.

use super::{ConfigError, DockerEndpoint, HostInterface, error::Source, fields};
use protocol::spec::InterfaceName;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use toml::Spanned;

const FIELD: &str = "metrics.listen";

/// Where metrics are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsEndpoint {
    /// By TCP: on the VCH itself, or on the management network.
    Tcp {
        /// Address and port.
        address: SocketAddr,
        /// The link, where the address is the management network's.
        interface: Option<InterfaceName>,
    },
    /// At a Unix socket.
    Unix(PathBuf),
}

/// What else of the VCH listens.
pub(super) struct OtherListeners<'a> {
    pub management: &'a HostInterface,
    pub docker_endpoint: &'a DockerEndpoint,
    pub api_socket: &'a Path,
}

pub(super) fn metrics(
    source: &Source<'_>,
    table: fields::Metrics,
    others: &OtherListeners<'_>,
) -> Result<Option<MetricsEndpoint>, ConfigError> {
    let Some(listen) = table.listen else {
        return Ok(None);
    };
    let endpoint = if listen.get_ref().starts_with('/') {
        unix(source, &listen, others)?
    } else {
        tcp(source, &listen, others)?
    };
    Ok(Some(endpoint))
}

fn unix(
    source: &Source<'_>,
    listen: &Spanned<String>,
    others: &OtherListeners<'_>,
) -> Result<MetricsEndpoint, ConfigError> {
    let path: vch_ledger::SocketPath = source.parsed(FIELD, listen, None)?;
    let path = PathBuf::from(path.as_str());
    let docker = others.docker_endpoint.socket.as_deref();
    if path == others.api_socket || Some(&*path) == docker {
        return Err(refused(
            source,
            listen,
            "an API listens there: write another path",
        ));
    }
    Ok(MetricsEndpoint::Unix(path))
}

fn tcp(
    source: &Source<'_>,
    listen: &Spanned<String>,
    others: &OtherListeners<'_>,
) -> Result<MetricsEndpoint, ConfigError> {
    let remedy = "write an address with a port, as in 127.0.0.1:9323 or [::1]:9323, or the absolute path of a Unix socket";
    let address: SocketAddr = source.parsed(FIELD, listen, Some(remedy))?;
    if address.port() == 0 {
        return Err(refused(source, listen, "write a port from 1 to 65535"));
    }
    let docker = &others.docker_endpoint;
    if address == SocketAddr::new(docker.host_interface.address, docker.port) {
        let remedy = "the docker endpoint listens there: write another port";
        return Err(refused(source, listen, remedy));
    }
    let management = others.management;
    let interface = match address.ip() {
        ip if ip.is_loopback() => None,
        ip if ip == management.address => Some(management.interface.clone()),
        _ => {
            let remedy = format!(
                "metrics are for the VCH's administrators: write a loopback address, or {}, the management network's",
                management.address
            );
            return Err(refused(source, listen, &remedy));
        }
    };
    Ok(MetricsEndpoint::Tcp { address, interface })
}

fn refused(source: &Source<'_>, listen: &Spanned<String>, remedy: &str) -> ConfigError {
    source.field(listen.span(), FIELD, listen.get_ref().clone(), remedy)
}
