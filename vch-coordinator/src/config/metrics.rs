//! The table `[metrics]`: where Prometheus reads the metrics.

use super::{ConfigError, DockerEndpoint, HostInterface, error::Source, fields};
use protocol::spec::InterfaceName;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use toml::Spanned;

const FIELD: &str = "metrics.listen";

/// The address or Unix socket at which Prometheus reads the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsEndpoint {
    /// The metrics are served by TCP, at a loopback address or on the management network.
    Tcp {
        /// The address and the TCP port.
        address: SocketAddr,
        /// The interface on the management network that has the address; `None` for a loopback address.
        interface: Option<InterfaceName>,
    },
    /// The metrics are served at a Unix socket with this path.
    Unix(PathBuf),
}

/// The other addresses and sockets at which the coordinator listens; the metrics need another one.
pub(super) struct OtherListeners<'a> {
    /// The VCH's interface and address on the management network.
    pub management: &'a HostInterface,
    /// The interface, address, port and socket of the Docker API.
    pub docker_endpoint: &'a DockerEndpoint,
    /// The path of the native API's Unix socket.
    pub api_socket: &'a Path,
}

pub(super) fn metrics(
    source: &Source<'_>,
    table: fields::MetricsTable,
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
