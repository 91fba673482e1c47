//! The tables `[management]` and `[docker_endpoint]`: the VCH's interfaces on these networks.

use super::{ConfigError, absolute, error::Source, fields};
use docker_api::server::TcpEndpoint;
use protocol::spec::InterfaceName;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};
use toml::Spanned;
use vch_http::TlsFiles;

/// Docker's port for TLS.
const DEFAULT_DOCKER_PORT: u64 = 2_376;
const ADDRESS: &str = "say where the VCH is on it, with `interface` and `address`";
const LOOPBACK: &str = "lo";

/// An interface of the VCH on the management network or of the Docker endpoint, with the VCH's address on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostInterface {
    /// The name of the interface.
    pub interface: InterfaceName,
    /// The VCH's IP address on the interface.
    pub address: IpAddr,
}

/// The addresses, certificates and socket of the Docker API, from the table `[docker_endpoint]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerEndpoint {
    /// The interface and address at which the Docker API is served by TCP.
    pub host_interface: HostInterface,
    /// The TCP port; 2376 by default.
    pub port: u16,
    /// The paths of the TLS certificates and key; `None` if the Docker API is not served by TCP.
    pub tls: Option<TlsFiles>,
    /// The path of the Unix socket for Docker clients on the VCH itself; `None` if the coordinator opens none.
    pub socket: Option<PathBuf>,
}

impl DockerEndpoint {
    /// Returns the interface, address, port and certificates with which the Docker API is served by TCP; `None` if no
    /// certificates are configured: then it is not served by TCP.
    pub fn tcp(&self) -> Option<TcpEndpoint<'_>> {
        Some(TcpEndpoint {
            interface: &self.host_interface.interface,
            address: SocketAddr::new(self.host_interface.address, self.port),
            tls: self.tls.as_ref()?,
        })
    }
}

/// Checks the table `[management]`.
///
/// # Errors
/// Returns [`ConfigError`] if the table is missing or a field is not valid.
pub(super) fn management(
    source: &Source<'_>,
    table: Option<fields::HostInterfaceTable>,
) -> Result<HostInterface, ConfigError> {
    let table = table.ok_or_else(|| source.missing("management", ADDRESS))?;
    Ok(HostInterface {
        interface: interface(source, "management.interface", &table.interface)?,
        address: source.host("management.address", &table.address)?,
    })
}

/// Checks the table `[docker_endpoint]`.
///
/// # Errors
/// Returns [`ConfigError`] if the table is missing or a field is not valid.
pub(super) fn docker_endpoint(
    source: &Source<'_>,
    table: Option<fields::DockerEndpointTable>,
) -> Result<DockerEndpoint, ConfigError> {
    let table = table.ok_or_else(|| source.missing("docker_endpoint", ADDRESS))?;
    let host_interface = HostInterface {
        interface: interface(source, "docker_endpoint.interface", &table.interface)?,
        address: source.host("docker_endpoint.address", &table.address)?,
    };
    let ports = 1..=u64::from(u16::MAX);
    let port = source.number(
        "docker_endpoint.port",
        table.port,
        DEFAULT_DOCKER_PORT,
        ports,
    )?;
    Ok(DockerEndpoint {
        host_interface,
        // The number is within the range that was just checked.
        port: u16::try_from(port).unwrap_or(u16::MAX),
        tls: table.tls.map(|files| tls(source, files)).transpose()?,
        socket: match table.socket {
            Some(path) => Some(absolute(source, "docker_endpoint.socket", Some(path), "")?),
            None => None,
        },
    })
}

fn tls(source: &Source<'_>, files: fields::TlsTable) -> Result<TlsFiles, ConfigError> {
    Ok(TlsFiles {
        ca: absolute(source, "docker_endpoint.tls.ca", Some(files.ca), "")?,
        cert: absolute(source, "docker_endpoint.tls.cert", Some(files.cert), "")?,
        key: absolute(source, "docker_endpoint.tls.key", Some(files.key), "")?,
        crl: match files.crl {
            Some(path) => Some(absolute(source, "docker_endpoint.tls.crl", Some(path), "")?),
            None => None,
        },
    })
}

/// Parses the name of an interface that a network can use, which excludes the loopback interface.
///
/// # Errors
/// Returns [`ConfigError::Field`] if the text is not such a name.
pub(super) fn interface(
    source: &Source<'_>,
    field: &'static str,
    value: &Spanned<String>,
) -> Result<InterfaceName, ConfigError> {
    let name: InterfaceName = source.parsed(field, value, None)?;
    if name.as_str() == LOOPBACK {
        let remedy = "what the VCH sends to itself passes there, whatever its network: \
                      write a link of its own, as `ip link add NAME type bridge` makes one";
        return Err(source.field(value.span(), field, name.to_string(), remedy));
    }
    Ok(name)
}
