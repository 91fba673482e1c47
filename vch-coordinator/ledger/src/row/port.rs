//! Ports: those that a container exposes and publishes, and the ports of the VCH that lead to them.

use crate::{ContainerId, EndpointId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// A transport protocol that has ports.
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

/// A transport protocol and a port number, written as `80/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortNumber {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The port number, never 0.
    pub port: u16,
}

impl fmt::Display for PortNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// A port that a container exposes or publishes.
///
/// On a bridge network, a published port is reached by a port of the VCH, and an exposed one is not. On an external
/// network with the level `published`, both are open at the container's own address; other levels do not depend on
/// ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerPort {
    /// The port in the container.
    pub number: PortNumber,
    /// The request to publish the port; `None` if the port is only exposed.
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

/// A request to publish a container's port at a port of the VCH.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Publish {
    /// The address of the VCH at which to publish; `None` for the default addresses, see [`HostPort::address`].
    pub address: Option<IpAddr>,
    /// The port of the VCH, or the first port of a range; `None` lets the ledger choose one.
    pub port: Option<u16>,
    /// The last port of a range; `None` for a single port. The first free port of the range is taken at each start.
    pub through: Option<u16>,
    /// The subnets of the clients that may use the port, without host bits, in ascending order; empty for all clients.
    pub clients: Vec<IpNet>,
}

/// A port of the VCH at which a container's port is, or may be, published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostPort {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The address of the VCH at which the port answers; never one of the management network or the Docker endpoint,
    /// and never IPv6's loopback address.
    ///
    /// `None` stands for the default addresses: the VCH's address on each external network that is a default for
    /// published ports, its IPv4 loopback addresses, and the gateway of each bridge network that is not internal.
    /// `0.0.0.0` and `::` stand for every address of the VCH of that family.
    pub address: Option<IpAddr>,
    /// The port number, never 0.
    pub port: u16,
}

impl HostPort {
    /// Returns the protocol and the port number, without the address.
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

/// A published port that is in force: a port of the VCH that leads to a running container's port. It exists from the
/// container's start to its stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// The port of the VCH.
    pub host: HostPort,
    /// The container's ID.
    pub container: ContainerId,
    /// The ID of the endpoint (connection to a network) by which the container is reached.
    pub endpoint: EndpointId,
    /// The port number in the container. The protocol is that of `host`.
    pub container_port: u16,
    /// The container's addresses to which packets are led, IPv4 first: that of the family of the VCH's address, or, if
    /// the host port has no address, those of each family that the endpoint has.
    pub target: Vec<IpAddr>,
    /// The subnets of the clients that may use the port; empty for all clients.
    pub clients: Vec<IpNet>,
    /// Whether the ledger chose the port of the VCH by itself. False for a requested port, and for one of a requested
    /// range.
    pub ephemeral: bool,
}

impl PortBinding {
    /// Returns the protocol and port number in the container.
    pub fn container_number(&self) -> PortNumber {
        PortNumber {
            protocol: self.host.protocol,
            port: self.container_port,
        }
    }
}
