//! The reasons for which a port is refused.

use super::RefusalKind;
use crate::{ContainerName, HostPort, NetworkName, PortNumber, Protocol};
use ipnet::IpNet;
use std::net::IpAddr;
use thiserror::Error;

/// The reason for which a port can't be exposed or published.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PortRefusal {
    /// Another container has published a port at the requested port of the VCH.
    #[error(
        "Bind for {host} failed: port is already allocated: container {holder} has {taken}: choose another host port, or stop that container or unpublish its port"
    )]
    Taken {
        /// The requested port of the VCH.
        host: HostPort,
        /// The port of the VCH at which the other container's port is published. It conflicts with the requested one.
        taken: HostPort,
        /// The name of the other container.
        holder: ContainerName,
    },
    /// Two requests of one container to publish ports conflict.
    #[error(
        "port {request} is wished twice: port {other} of the same container has it: choose another host port, or leave one of them out"
    )]
    Twice {
        /// One of the requests, written as for `docker run -p`.
        request: String,
        /// The container's port that the other request is for.
        other: PortNumber,
    },
    /// A process of the VCH listens at the requested port.
    #[error(
        "Bind for {host} failed: port is already in use: {holder} listens there on the VCH: choose another host port, or stop that process"
    )]
    InUse {
        /// The requested port of the VCH.
        host: HostPort,
        /// The program and process that listens, as text.
        holder: String,
    },
    /// The requested port belongs to a service of the VCH.
    #[error("Bind for {host} failed: port is reserved for {holder}: choose another host port")]
    Reserved {
        /// The requested port of the VCH.
        host: HostPort,
        /// The name of the service.
        holder: String,
    },
    /// No port is left for the VCH to choose.
    #[error(
        "no free {protocol} port from {first} to {last} for container port {number}: name a host port, unpublish others, or widen the range in the configuration"
    )]
    Exhausted {
        /// The transport protocol.
        protocol: Protocol,
        /// The first port of the range that the VCH chooses from.
        first: u16,
        /// The last port of the range that the VCH chooses from.
        last: u16,
        /// The container's port that should be published.
        number: PortNumber,
    },
    /// No port of the requested range of host ports is free.
    #[error(
        "Bind for {host} to {last} failed: all ports are allocated: give container port {number} another range, or unpublish one of this"
    )]
    RangeTaken {
        /// The first port of the range, with its address on the VCH.
        host: HostPort,
        /// The last port of the range.
        last: u16,
        /// The container's port that should be published.
        number: PortNumber,
    },
    /// The last port of the requested range of host ports is not above the first one.
    #[error(
        "field `ports`: the range {first}-{last} of container port {number} is not possible: write the lower port first, or one port alone"
    )]
    Range {
        /// The container's port that should be published.
        number: PortNumber,
        /// The first port, as requested.
        first: u16,
        /// The last port, as requested.
        last: u16,
    },
    /// A requested port, of the container or of the VCH, has the number 0.
    #[error("field `ports`: port {0} is not possible: use 1 to 65535")]
    Zero(PortNumber),
    /// No port can be published at the requested address of the VCH.
    #[error(
        "field `ports`: container port {number} can't be published at {address}: {reason}: leave the address out, or give one of the VCH's addresses"
    )]
    Address {
        /// The container's port that should be published.
        number: PortNumber,
        /// The requested address.
        address: IpAddr,
        /// The reason, as text.
        reason: String,
    },
    /// A client subnet (from which the port may be used) has bits set beyond its prefix.
    #[error("field `clients` of port {number}: {net} has host bits: write {}", .net.trunc())]
    ClientHostBits {
        /// The container's port that should be published.
        number: PortNumber,
        /// The client subnet.
        net: IpNet,
    },
    /// A client subnet (from which the port may be used) is of another family than the address at which the port should
    /// be published.
    #[error(
        "field `clients` of port {number}: {net} can't reach {address}, an address of the other family: leave the subnet or the address out"
    )]
    ClientFamily {
        /// The container's port that should be published.
        number: PortNumber,
        /// The client subnet.
        net: IpNet,
        /// The requested address of the VCH.
        address: IpAddr,
    },
    /// The port should be published at an address of a family that none of the container's endpoints has; endpoints on
    /// external and internal networks do not count.
    #[error(
        "container port {number} can't be published at {host}: container {container} has no address of that family on a bridge network: connect it to one that has, or publish at an address of the other family"
    )]
    Family {
        /// The container's port that should be published.
        number: PortNumber,
        /// The requested port of the VCH; its number is 0 if the request left it to the ledger.
        host: HostPort,
        /// The container's name.
        container: ContainerName,
    },
    /// The container is on external networks only, which have no NAT: a port of the container is open there at the
    /// container's own address, or closed. The request asks for something else, such as another host port.
    #[error(
        "port {request} of container {container} is not possible on external network {network}, {reason}: write `-p {plain}`, or connect the container to a bridge network first"
    )]
    OnExternal {
        /// The request, written as for `docker run -p`.
        request: String,
        /// The container's name.
        container: ContainerName,
        /// The name of the first external network that the container is on.
        network: NetworkName,
        /// The part of the request that is not possible there.
        reason: &'static str,
        /// The request that would be possible instead, written as for `docker run -p`.
        plain: String,
    },
    /// The container does not have the exposed or published port that should be removed.
    #[error(
        "port {request} of container {container} is not published: see `vchctl port ls {container}`"
    )]
    NotPublished {
        /// The port that should be removed, written as for `docker run -p`.
        request: String,
        /// The container's name.
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
