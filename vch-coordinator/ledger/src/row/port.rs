//! Ports: what a container exposes and publishes, and what is in force of it on the VCH.

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

/// A port of a container, written `80/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortNumber {
    /// Of which protocol.
    pub protocol: Protocol,
    /// Its number, not zero.
    pub port: u16,
}

impl fmt::Display for PortNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// What a container wants of one of its ports.
///
/// On a bridge network a published port answers on the VCH; on an external network it is open, and
/// so is an exposed one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerPort {
    /// Which one.
    pub number: PortNumber,
    /// Where it is published; `None` for a port that is only exposed.
    pub publish: Option<Publish>,
}

impl fmt::Display for ContainerPort {
    /// As it is written on a command line: `80/tcp`, `8080:80/tcp`, `192.0.2.1::80/tcp`.
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

/// Where a port is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Publish {
    /// See [`HostPort::address`].
    pub address: Option<IpAddr>,
    /// The port on the VCH, or the first of a range; `None` lets the VCH choose one.
    pub port: Option<u16>,
    /// The last port of a range, of which the first free one is taken at each start.
    pub through: Option<u16>,
    /// From where it may be used; empty for everywhere. No host bits, in ascending order.
    pub clients: Vec<IpNet>,
}

/// A port of the VCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostPort {
    /// Of which protocol.
    pub protocol: Protocol,
    /// At which address: `None` for those of the VCH on the external networks that are the default
    /// for published ports, for its loopback addresses of IPv4 and for the gateway of each bridge
    /// network that is not internal; an unspecified one (`0.0.0.0`, `::`) for every address of the
    /// VCH of that family. Never one of the management network or the docker endpoint, and never
    /// IPv6's loopback address.
    pub address: Option<IpAddr>,
    /// Its number, not zero.
    pub port: u16,
}

impl HostPort {
    /// Protocol and port, whatever the address.
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

/// A port of the VCH that leads to a container's, in force as long as the row is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// The VCH's port.
    pub host: HostPort,
    /// Whose port it leads to.
    pub container: ContainerId,
    /// By which of its endpoints.
    pub endpoint: EndpointId,
    /// The container's port.
    pub container_port: u16,
    /// The endpoint's addresses, IPv4 first.
    pub target: Vec<IpAddr>,
    /// From where it may be used; empty for everywhere.
    pub clients: Vec<IpNet>,
    /// The VCH chose the port.
    pub ephemeral: bool,
}

impl PortBinding {
    /// Protocol and port of the container's side.
    pub fn container_number(&self) -> PortNumber {
        PortNumber {
            protocol: self.host.protocol,
            port: self.container_port,
        }
    }
}
