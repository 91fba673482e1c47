//! Why a command is refused.

mod class;
mod external;
mod port;

pub use external::ExternalRefusal;
pub use port::PortRefusal;

use crate::{ContainerName, NetworkId, NetworkName};
use ipnet::IpNet;
use protocol::spec::{InterfaceName, MacAddress, NicMatch};
use std::net::IpAddr;
use thiserror::Error;

/// What sort of refusal: what a face over the ledger makes a status code of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalKind {
    /// What was named does not exist.
    NotFound,
    /// It can't be together with what exists.
    Conflict,
    /// The request itself makes no sense.
    Invalid,
    /// It is never allowed, or not as long as things are as they are.
    Forbidden,
    /// There is nothing left to give.
    Exhausted,
}

/// Why a command is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No network has this name or id.
    #[error("network {0} not found: see `vchctl network ls`")]
    NetworkNotFound(String),
    /// A network that a container was on was removed while it was stopped.
    #[error(
        "network {id} not found: {network} was removed while container {container} was stopped: disconnect the container from {network}, or connect it to a new network of that name"
    )]
    NetworkMissing {
        /// The container.
        container: ContainerName,
        /// The network's name.
        network: NetworkName,
        /// Its id.
        id: NetworkId,
    },
    /// Another interface of the container has the name.
    #[error(
        "interface name {interface} of container {container} is taken: choose another one, or leave it out"
    )]
    InterfaceTaken {
        /// The name.
        interface: InterfaceName,
        /// The container.
        container: ContainerName,
    },
    /// Several networks' ids begin so.
    #[error(
        "network {0} is ambiguous (several matches found based on ID prefix): give more digits"
    )]
    NetworkAmbiguous(String),
    /// No container has this name or id.
    #[error("No such container: {0}: see `vchctl container ls`")]
    ContainerNotFound(String),
    /// Several containers' ids begin so.
    #[error(
        "container {0} is ambiguous (several matches found based on ID prefix): give more digits"
    )]
    ContainerAmbiguous(String),
    /// Another network has the name.
    #[error(
        "network with name {0} already exists: choose another name, or remove that network first"
    )]
    NetworkExists(NetworkName),
    /// The name is one of the VCH's own networks.
    #[error("operation is not permitted on predefined {0} network : choose another name")]
    PredefinedName(NetworkName),
    /// The VCH's own networks stay.
    #[error("{0} is a pre-defined network and cannot be removed: it belongs to the VCH")]
    PredefinedNetwork(NetworkName),
    /// The network still has endpoints.
    #[error(
        "error while removing network: network {network} has active endpoints ({endpoints}): disconnect them first"
    )]
    NetworkInUse {
        /// The network.
        network: NetworkName,
        /// Names of the containers on it: the first few.
        endpoints: String,
    },
    /// No network has this name or id and is a configuration of others.
    #[error("configuration network {0:?} does not exist: make one with config-only")]
    NoConfiguration(String),
    /// Networks were made of the configuration.
    #[error(
        "error while removing network: configuration network \"{0}\" is in use: remove the networks that were made of it"
    )]
    ConfigurationInUse(NetworkName),
    /// It carries nothing.
    #[error(
        "network {0} only configures others: make a network of it by config-from, and connect to that"
    )]
    ConnectToConfiguration(NetworkName),
    /// The VCH is the name server of bridge networks alone.
    #[error("the VCH is not the name server of network {0}: set the DNS TTL of a bridge network")]
    NoDnsTtl(NetworkName),
    /// There would be more networks, containers or entries than may be.
    #[error(
        "field `{field}`: {count} is more than the limit of {limit}: remove some, or ask for fewer"
    )]
    TooMany {
        /// Of what.
        field: &'static str,
        /// How many there would be.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A transaction of several commands, or a change of external networks, is part of one.
    #[error(
        "commands that go together can't hold others that do, nor a change of external networks: put the others in one list"
    )]
    Nested,
    /// A text is longer than may be.
    #[error("field `{field}`: `{start}…` has {length} bytes: at most {limit} are possible")]
    TooLong {
        /// Which text.
        field: &'static str,
        /// How it begins.
        start: String,
        /// Its length in bytes.
        length: usize,
        /// The most that may be.
        limit: usize,
    },
    /// The network would have no subnet.
    #[error("network {0} would have no subnet: ask for an IPv4 or an IPv6 subnet")]
    NoSubnet(NetworkName),
    /// The subnet has bits beyond its prefix.
    #[error("invalid network config: invalid subnet {0}: it should be {net}", net = .0.trunc())]
    SubnetHostBits(IpNet),
    /// The subnet is not one for hosts.
    #[error(
        "invalid network config: invalid subnet {net}: {reason}: choose a private one, as in 10.9.8.0/24 or fd00:9:8::/64"
    )]
    SubnetUnusable {
        /// The subnet.
        net: IpNet,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The subnet meets another network's.
    #[error(
        "invalid pool request: Pool overlaps with other one on this address space: subnet {net} overlaps {other} of network {network}: choose another subnet"
    )]
    SubnetOverlap {
        /// The subnet.
        net: IpNet,
        /// What it overlaps.
        other: IpNet,
        /// Whose that is.
        network: NetworkName,
    },
    /// The subnet meets another of the same request.
    #[error(
        "invalid network config: subnets {net} and {other} of one request overlap: choose another for one of them"
    )]
    SubnetTwice {
        /// The subnet.
        net: IpNet,
        /// What it overlaps.
        other: IpNet,
    },
    /// The subnet meets a route of the VCH.
    #[error(
        "invalid pool request: Pool overlaps with other one on this address space: subnet {net} overlaps the VCH's route to {route}: choose another subnet"
    )]
    RouteOverlap {
        /// The subnet.
        net: IpNet,
        /// The route's destination.
        route: IpNet,
    },
    /// The pools have no free subnet left.
    #[error(
        "all predefined address pools have been fully subnetted: give a {family} subnet, remove networks, or add a pool to the configuration"
    )]
    PoolsExhausted {
        /// Of which address family.
        family: &'static str,
    },
    /// The range has bits beyond its prefix.
    #[error("invalid network config: invalid ip-range {0}: it should be {net}", net = .0.trunc())]
    RangeHostBits(IpNet),
    /// The range is not inside its subnet.
    #[error(
        "invalid network config: invalid ip-range {range}: parent subnet {net} doesn't contain ip-range: choose one inside"
    )]
    RangeOutside {
        /// The range.
        range: IpNet,
        /// The subnet.
        net: IpNet,
    },
    /// The range is larger than its subnet.
    #[error(
        "invalid network config: invalid ip-range {range}: CIDR block is bigger than its parent subnet {net}: choose a longer prefix"
    )]
    RangeTooBig {
        /// The range.
        range: IpNet,
        /// The subnet.
        net: IpNet,
    },
    /// The gateway is not inside its subnet.
    #[error(
        "invalid network config: invalid gateway {gateway}: parent subnet {net} doesn't contain this address: choose one inside"
    )]
    GatewayOutside {
        /// The gateway.
        gateway: IpAddr,
        /// The subnet.
        net: IpNet,
    },
    /// An auxiliary address is not inside its subnet.
    #[error(
        "invalid network config: invalid auxiliary address {name}={address}: parent subnet {net} doesn't contain this address: choose one inside"
    )]
    AuxiliaryOutside {
        /// Its name.
        name: String,
        /// The address.
        address: IpAddr,
        /// The subnet.
        net: IpNet,
    },
    /// Two of a subnet's kept-back addresses are the same.
    #[error(
        "invalid network config: address {address} of subnet {net} is kept back twice: give the gateway and each auxiliary address its own"
    )]
    ReservedTwice {
        /// The address.
        address: IpAddr,
        /// The subnet.
        net: IpNet,
    },
    /// The address is the subnet's own or its broadcast address.
    #[error(
        "address {address} is no host's in subnet {net}: its first and last address belong to the subnet itself: choose another"
    )]
    NotAHost {
        /// The address.
        address: IpAddr,
        /// The subnet.
        net: IpNet,
    },
    /// None of the network's subnets has the address.
    #[error(
        "invalid endpoint settings: no configured subnet contains IP address {address}: network {network} has {subnets}"
    )]
    AddressOutside {
        /// The address.
        address: IpAddr,
        /// The network.
        network: NetworkName,
        /// Its subnets.
        subnets: String,
    },
    /// Two addresses of one family were asked for.
    #[error("addresses {0} and {1} are of one family: an endpoint has one address a family")]
    AddressTwice(IpAddr, IpAddr),
    /// The address is another endpoint's.
    #[error(
        "Address already in use: {address} belongs to container {holder}: choose another, or leave it to the VCH"
    )]
    AddressInUse {
        /// The address.
        address: IpAddr,
        /// Whose it is.
        holder: ContainerName,
    },
    /// The address is the gateway's, or kept back.
    #[error(
        "Address already in use: {address} is kept back as {by} of network {network}: choose another"
    )]
    AddressReserved {
        /// The address.
        address: IpAddr,
        /// For what.
        by: String,
        /// By which network.
        network: NetworkName,
    },
    /// Another coordinator hands this address out.
    #[error(
        "address {address} of network {network} is not granted to this coordinator: choose another"
    )]
    AddressNotGranted {
        /// The address.
        address: IpAddr,
        /// The network.
        network: NetworkName,
    },
    /// The default bridge has automatic addresses only.
    #[error(
        "user-specified IP address is supported on user-defined networks only: leave {0} out, or make a network"
    )]
    AddressOnDefaultBridge(IpAddr),
    /// No address is left.
    #[error(
        "no available {family} addresses on network {network}: disconnect containers, or make a network with a larger subnet or range"
    )]
    AddressesExhausted {
        /// Of which address family.
        family: &'static str,
        /// The network.
        network: NetworkName,
    },
    /// The container is on the network already.
    #[error(
        "{container} is already attached to network {network}: disconnect it first to change its endpoint"
    )]
    AlreadyConnected {
        /// The container.
        container: ContainerName,
        /// The network.
        network: NetworkName,
    },
    /// The container is not on the network.
    #[error(
        "container {container} is not connected to network {network}: see `vchctl container inspect {container}`"
    )]
    NotConnected {
        /// The container.
        container: ContainerName,
        /// The network.
        network: NetworkName,
    },
    /// Nothing can be connected to the network of those that want none.
    #[error("network {0} has no endpoints: a container without a network is on it already")]
    NoEndpointsOnNone(NetworkName),
    /// Another container has the name.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    ContainerNameTaken {
        /// The name.
        name: ContainerName,
        /// The id of whose it is.
        holder: String,
    },
    /// The container still has endpoints.
    #[error(
        "container {container} is still connected to {networks}: disconnect it first, or force the removal"
    )]
    ContainerConnected {
        /// The container.
        container: ContainerName,
        /// The networks that it is on.
        networks: String,
    },
    /// Another container has the channel: it names the container, so it can't be shared.
    #[error("channel {channel} is already that of container {holder}: give each container its own")]
    ChannelTaken {
        /// The channel.
        channel: String,
        /// Whose it is.
        holder: ContainerName,
    },
    /// The context id is reserved.
    #[error("vsock context id {0} is reserved: use 3 to 4294967294")]
    ReservedCid(u32),
    /// Another endpoint has the MAC address.
    #[error(
        "MAC address {mac} is already that of container {holder}: choose another, or leave it to the VCH"
    )]
    MacTaken {
        /// The address.
        mac: MacAddress,
        /// Whose it is.
        holder: ContainerName,
    },
    /// Another endpoint of the container claims the NIC.
    #[error(
        "{nic} already carries another endpoint of container {container}: give each endpoint its own NIC"
    )]
    NicTaken {
        /// The NIC.
        nic: NicMatch,
        /// The container.
        container: ContainerName,
    },
    /// The container's network would not be possible.
    #[error("the network of container {container} would not be possible: {reason}")]
    SpecImpossible {
        /// The container.
        container: ContainerName,
        /// What is wrong, and what to do instead.
        reason: String,
    },
    /// The resolver settings can't be written to resolv.conf.
    #[error("field `dns` of container {container}: {reason}")]
    Resolver {
        /// The container.
        container: ContainerName,
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// A port is not possible.
    #[error(transparent)]
    Port(#[from] PortRefusal),
    /// An external network is not possible.
    #[error(transparent)]
    External(#[from] ExternalRefusal),
}

#[cfg(test)]
mod tests;
