//! Why an external network can't be as the configuration has it.

use super::RefusalKind;
use crate::NetworkName;
use ipnet::IpNet;
use protocol::spec::InterfaceName;
use std::net::IpAddr;
use thiserror::Error;

/// Why an external network can't be as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExternalRefusal {
    /// It is gone from the configuration while containers are on it.
    #[error(
        "external network {network} can't be removed: it has active endpoints ({endpoints}): disconnect them first, or put it back into the configuration"
    )]
    InUse {
        /// The network.
        network: NetworkName,
        /// Names of the containers on it: the first few.
        endpoints: String,
    },
    /// Its subnets no longer have the containers' addresses.
    #[error(
        "external network {network} can't be changed: its subnets would no longer have, or keep back, the addresses of {endpoints}: disconnect these first, or keep the subnet"
    )]
    Orphans {
        /// The network.
        network: NetworkName,
        /// Container and address, the first few.
        endpoints: String,
    },
    /// An address of it is not one of its subnet's hosts.
    #[error(
        "external network {network}: {field} {address} is no host's address in subnet {net}: choose one inside"
    )]
    Address {
        /// The network.
        network: NetworkName,
        /// Which address.
        field: String,
        /// The address.
        address: IpAddr,
        /// The subnet.
        net: IpNet,
    },
    /// A subnet of it is not possible.
    #[error("external network {network}: invalid subnet {net}: {reason}")]
    Subnet {
        /// The network.
        network: NetworkName,
        /// The subnet.
        net: IpNet,
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// It gives addresses out, and has none.
    #[error(
        "external network {0} has no subnet: give it one, or let a DHCP server give the addresses"
    )]
    NoSubnet(NetworkName),
    /// Nowhere would published ports be by default.
    #[error(
        "none of the external networks ({0}) is the default for published ports: mark at least one"
    )]
    NoDefault(String),
    /// The guest does not speak DHCP yet.
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
