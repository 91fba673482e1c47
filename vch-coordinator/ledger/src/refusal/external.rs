//! Refusals of external networks.

use super::RefusalKind;
use crate::NetworkName;
use ipnet::IpNet;
use protocol::spec::InterfaceName;
use std::net::IpAddr;
use thiserror::Error;

/// The reason for which an external network can't be as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExternalRefusal {
    /// The configuration no longer has the network, but containers are on it.
    #[error(
        "external network {network} can't be removed: it has active endpoints ({endpoints}): disconnect them first, or put it back into the configuration"
    )]
    InUse {
        /// The network.
        network: NetworkName,
        /// The names of the first few containers on it.
        endpoints: String,
    },
    /// The network's new subnets do not contain addresses that containers have.
    #[error(
        "external network {network} can't be changed: its subnets would no longer have, or keep back, the addresses of {endpoints}: disconnect these first, or keep the subnet"
    )]
    Orphans {
        /// The network.
        network: NetworkName,
        /// The first few containers with such addresses, as text.
        endpoints: String,
    },
    /// One of the network's addresses is not a host address of its subnet.
    #[error(
        "external network {network}: {field} {address} is no host's address in subnet {net}: choose one inside"
    )]
    Address {
        /// The network.
        network: NetworkName,
        /// The setting that has the address.
        field: String,
        /// The address.
        address: IpAddr,
        /// The subnet.
        net: IpNet,
    },
    /// One of the network's subnets can't have hosts.
    #[error("external network {network}: invalid subnet {net}: {reason}")]
    Subnet {
        /// The network.
        network: NetworkName,
        /// The subnet.
        net: IpNet,
        /// The reason, with a remedy.
        reason: String,
    },
    /// The network's addressing is static, but it has no subnet.
    #[error(
        "external network {0} has no subnet: give it one, or let a DHCP server give the addresses"
    )]
    NoSubnet(NetworkName),
    /// No external network would be the default for published ports.
    #[error(
        "none of the external networks ({0}) is the default for published ports: mark at least one"
    )]
    NoDefault(String),
    /// The network's addressing is DHCP, which the agent does not support yet.
    #[error(
        "nothing can be connected to external network {network} on {interface}: its addresses come from a DHCP server, which container VMs can't ask yet: give the network a static range"
    )]
    Dhcp {
        /// The network.
        network: NetworkName,
        /// The VCH's link to it.
        interface: InterfaceName,
    },
}

impl ExternalRefusal {
    pub(super) fn class(&self) -> (&'static str, RefusalKind) {
        use RefusalKind::{Forbidden, Invalid};
        match self {
            Self::InUse { .. } => ("external-in-use", Forbidden),
            Self::Orphans { .. } => ("external-orphans", Forbidden),
            Self::Address { .. } => ("external-address", Invalid),
            Self::Subnet { .. } => ("external-subnet", Invalid),
            Self::NoSubnet(_) => ("external-no-subnet", Invalid),
            Self::NoDefault(_) => ("external-no-default", Invalid),
            Self::Dhcp { .. } => ("external-dhcp", Forbidden),
        }
    }
}
