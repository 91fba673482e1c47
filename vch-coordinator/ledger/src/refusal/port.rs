//! Why a port can't be exposed or published.

use super::RefusalKind;
use crate::{ContainerName, HostPort, NetworkName, PortNumber, Protocol};
use ipnet::IpNet;
use std::net::IpAddr;
use thiserror::Error;

/// Why a port can't be exposed or published.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PortRefusal {
    /// Another container has the port of the VCH.
    #[error(
        "Bind for {host} failed: port is already allocated: container {holder} has {taken}: choose another host port, or stop that container or unpublish its port"
    )]
    Taken {
        /// The port that was wanted.
        host: HostPort,
        /// What it meets.
        taken: HostPort,
        /// Whose that is.
        holder: ContainerName,
    },
    /// Two requests of one container meet.
    #[error(
        "port {request} is wished twice: port {other} of the same container has it: choose another host port, or leave one of them out"
    )]
    Twice {
        /// The request, as it is written.
        request: String,
        /// The container's port that has it.
        other: PortNumber,
    },
    /// A process of the VCH listens there.
    #[error(
        "Bind for {host} failed: port is already in use: {holder} listens there on the VCH: choose another host port, or stop that process"
    )]
    InUse {
        /// The port that was wanted.
        host: HostPort,
        /// Who listens.
        holder: String,
    },
    /// The port belongs to a service of the VCH.
    #[error("Bind for {host} failed: port is reserved for {holder}: choose another host port")]
    Reserved {
        /// The port that was wanted.
        host: HostPort,
        /// Whose it is.
        holder: String,
    },
    /// No port is left to choose.
    #[error(
        "no free {protocol} port from {first} to {last} for container port {number}: name a host port, unpublish others, or widen the range in the configuration"
    )]
    Exhausted {
        /// Of which protocol.
        protocol: Protocol,
        /// The range's first port.
        first: u16,
        /// The range's last port.
        last: u16,
        /// For which port of the container.
        number: PortNumber,
    },
    /// No port of a range is left.
    #[error(
        "Bind for {host} to {last} failed: all ports are allocated: give container port {number} another range, or unpublish one of this"
    )]
    RangeTaken {
        /// The first port of the range, and where.
        host: HostPort,
        /// The last one.
        last: u16,
        /// For which port of the container.
        number: PortNumber,
    },
    /// A range whose last port is not above its first.
    #[error(
        "field `ports`: the range {first}-{last} of container port {number} is not possible: write the lower port first, or one port alone"
    )]
    Range {
        /// For which port of the container.
        number: PortNumber,
        /// As it was given.
        first: u16,
        /// As it was given.
        last: u16,
    },
    /// Port 0 is none.
    #[error("field `ports`: port {0} is not possible: use 1 to 65535")]
    Zero(PortNumber),
    /// A port can't be published at this address.
    #[error(
        "field `ports`: container port {number} can't be published at {address}: {reason}: leave the address out, or give one of the VCH's addresses"
    )]
    Address {
        /// Which port of the container.
        number: PortNumber,
        /// The address.
        address: IpAddr,
        /// What is wrong with it.
        reason: String,
    },
    /// A client subnet has bits beyond its prefix.
    #[error("field `clients` of port {number}: {net} has host bits: write {}", .net.trunc())]
    ClientHostBits {
        /// Which port of the container.
        number: PortNumber,
        /// The subnet.
        net: IpNet,
    },
    /// A client subnet is of another family than the address.
    #[error(
        "field `clients` of port {number}: {net} can't reach {address}, an address of the other family: leave the subnet or the address out"
    )]
    ClientFamily {
        /// Which port of the container.
        number: PortNumber,
        /// The subnet.
        net: IpNet,
        /// The address.
        address: IpAddr,
    },
    /// The container has no address of the host address's family.
    #[error(
        "container port {number} can't be published at {host}: container {container} has no address of that family on a bridge network: connect it to one that has, or publish at an address of the other family"
    )]
    Family {
        /// Which port of the container.
        number: PortNumber,
        /// The port that was wanted.
        host: HostPort,
        /// The container.
        container: ContainerName,
    },
    /// External networks have no NAT.
    #[error(
        "port {request} of container {container} is not possible on external network {network}, {reason}: write `-p {plain}`, or connect the container to a bridge network first"
    )]
    OnExternal {
        /// The request, as it is written.
        request: String,
        /// The container.
        container: ContainerName,
        /// The network, or the first of them.
        network: NetworkName,
        /// What is not possible there.
        reason: &'static str,
        /// What is.
        plain: String,
    },
    /// The container has no such request.
    #[error(
        "port {request} of container {container} is not published: see `vchctl port ls {container}`"
    )]
    NotPublished {
        /// The request, as it is written.
        request: String,
        /// The container.
        container: ContainerName,
    },
}

impl PortRefusal {
    pub(super) fn class(&self) -> (&'static str, RefusalKind) {
        use RefusalKind::{Conflict, Exhausted, Invalid, NotFound};
        match self {
            Self::Taken { .. } => ("port-taken", Conflict),
            Self::Twice { .. } => ("port-twice", Conflict),
            Self::InUse { .. } => ("port-in-use", Conflict),
            Self::Reserved { .. } => ("port-reserved", Conflict),
            Self::Exhausted { .. } => ("ports-exhausted", Exhausted),
            Self::RangeTaken { .. } => ("port-range-taken", Conflict),
            Self::Range { .. } => ("port-range", Invalid),
            Self::Zero(_) => ("port-zero", Invalid),
            Self::Address { .. } => ("port-address", Invalid),
            Self::ClientHostBits { .. } => ("port-client-host-bits", Invalid),
            Self::ClientFamily { .. } => ("port-client-family", Invalid),
            Self::Family { .. } => ("port-family", Invalid),
            Self::OnExternal { .. } => ("port-on-external", Invalid),
            Self::NotPublished { .. } => ("port-not-published", NotFound),
        }
    }
}
