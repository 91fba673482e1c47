//! The reasons for which an external network is refused.

use super::RefusalKind;
use crate::NetworkName;
use ipnet::IpNet;
use protocol::spec::InterfaceName;
use std::net::IpAddr;
use thiserror::Error;

/// The reason for which an external network can't be as the configuration file declares it, or can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExternalRefusal {
    /// The configuration no longer declares the network, but containers are connected to it.
    #[error(
        "external network {network} can't be removed: it has active endpoints ({endpoints}): disconnect them first, or put it back into the configuration"
    )]
    InUse {
        /// The network's name.
        network: NetworkName,
        /// The names of the first few containers on the network, as text.
        endpoints: String,
    },
    /// Containers have addresses that the network's new subnets do not contain, or reserve.
    #[error(
        "external network {network} can't be changed: its subnets would no longer have, or keep back, the addresses of {endpoints}: disconnect these first, or keep the subnet"
    )]
    Orphans {
        /// The network's name.
        network: NetworkName,
        /// The first few of these containers, each with its address, as text.
        endpoints: String,
    },
    /// An address of the network is not a host address of its subnet, or an end of a range lies outside of it.
    #[error(
        "external network {network}: {field} {address} is no host's address in subnet {net}: choose one inside"
    )]
    Address {
        /// The network's name.
        network: NetworkName,
        /// The setting of the configuration that contains the address: `gateway`, `address`, `range`, or `auxiliary`
        /// with a name.
        field: String,
        /// The address that is not possible.
        address: IpAddr,
        /// The subnet that the address should be in.
        net: IpNet,
    },
    /// A subnet of the network is reserved, has host bits, or has a prefix that is too short or leaves no room for
    /// hosts.
    #[error("external network {network}: invalid subnet {net}: {reason}")]
    Subnet {
        /// The network's name.
        network: NetworkName,
        /// The subnet that is not possible.
        net: IpNet,
        /// The reason, with a remedy, as text.
        reason: String,
    },
    /// The VCH should choose the addresses on this network (static addressing), but the network has no subnet.
    #[error(
        "external network {0} has no subnet: give it one, or let a DHCP server give the addresses"
    )]
    NoSubnet(NetworkName),
    /// No external network would be left that is a default for published ports (ports without an address are published
    /// there). Contains the names of the external networks, as text.
    #[error(
        "none of the external networks ({0}) is the default for published ports: mark at least one"
    )]
    NoDefault(String),
    /// No container can be connected to the network. A DHCP server gives the network's addresses, and the agent in the
    /// VMs does not support DHCP yet.
    #[error(
        "nothing can be connected to external network {network} on {interface}: its addresses come from a DHCP server, which container VMs can't ask yet: give the network a static range"
    )]
    Dhcp {
        /// The network's name.
        network: NetworkName,
        /// The name of the VCH's interface on the network.
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
