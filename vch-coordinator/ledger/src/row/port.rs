//! Ports: those that a container exposes and publishes, and those in force on the VCH.

use crate::{ContainerId, EndpointId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
    /// SCTP (RFC 9260).
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A port of a container with its protocol, written `80/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortNumber {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The port number; not zero.
    pub port: u16,
}

impl fmt::Display for PortNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// A port that a container exposes or publishes.
///
/// On a bridge network a published port answers on the VCH; on an external network it is open, and
/// so is an exposed one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerPort {
    /// The container's port.
    pub number: PortNumber,
    /// The request to publish the port; `None` if it is only exposed.
    pub publish: Option<Publish>,
}

impl fmt::Display for ContainerPort {
    /// Writes the port as on a command line: `80/tcp`, `8080:80/tcp`, `192.0.2.1::80/tcp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(publish) = &self.publish {
            match publish.address {
                Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
                Some(address) => write!(f, "{address}:")?,
                None => {}
            }
            match (publish.port, publish.through) {
                (Some(first), Some(last)) => write!(f, "{first}-{last}:")?,
                (Some(port), None) => write!(f, "{port}:")?,
                (None, _) if publish.address.is_some() => f.write_str(":")?,
                (None, _) => {}
            }
        }
        write!(f, "{}", self.number)
    }
}

/// A request to publish a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Publish {
    /// The address of the VCH; see [`HostPort::address`].
    pub address: Option<IpAddr>,
    /// The port on the VCH, or the first of a range; `None` lets the VCH choose one.
    pub port: Option<u16>,
    /// The last port of a range; the first free port of it is taken at each start.
    pub through: Option<u16>,
    /// The subnets from which the port may be used, without host bits, in ascending order; empty
    /// for every client.
    pub clients: Vec<IpNet>,
}

/// A port of the VCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostPort {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The address of the VCH. `None` stands for the VCH's addresses on the external networks that
    /// are the default for published ports, its IPv4 loopback addresses, and the gateway of each
    /// bridge network that is not internal. An unspecified one (`0.0.0.0`, `::`) stands for every
    /// address of the VCH of that family. Never an address of the management network or the docker
    /// endpoint, and never IPv6's loopback address.
    pub address: Option<IpAddr>,
    /// The port number; not zero.
    pub port: u16,
}

impl HostPort {
    /// Returns protocol and port, without the address.
    pub fn number(&self) -> PortNumber {
        PortNumber {
            protocol: self.protocol,
            port: self.port,
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            protocol,
            address,
            port,
        } = self;
        match address {
            None => write!(f, "{port}/{protocol}"),
            Some(IpAddr::V4(v4)) => write!(f, "{v4}:{port}/{protocol}"),
            Some(IpAddr::V6(v6)) => write!(f, "[{v6}]:{port}/{protocol}"),
        }
    }
}

/// A port of the VCH that leads to a container's port; it is in force while the row exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// The port of the VCH.
    pub host: HostPort,
    /// The container's ID.
    pub container: ContainerId,
    /// The endpoint by which the container is reached.
    pub endpoint: EndpointId,
    /// The container's port.
    pub container_port: u16,
    /// The endpoint's addresses, IPv4 first.
    pub target: Vec<IpAddr>,
    /// The subnets from which the port may be used; empty for every client.
    pub clients: Vec<IpNet>,
    /// Whether the VCH chose its port.
    pub ephemeral: bool,
}

impl PortBinding {
    /// Returns protocol and port of the container's side.
    pub fn container_number(&self) -> PortNumber {
        PortNumber {
            protocol: self.host.protocol,
            port: self.container_port,
        }
    }
}
