//! Refusals: why the ledger does not carry a command out.

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

/// The kind of a refusal; an API maps it to a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalKind {
    /// An object that the command names does not exist.
    NotFound,
    /// The command conflicts with an existing object.
    Conflict,
    /// The command itself is not valid.
    Invalid,
    /// The command is never allowed, or not in the present state.
    Forbidden,
    /// No address, subnet or port is left.
    Exhausted,
}

/// The reason for which a command is refused. Nothing has changed then.
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
        /// The network's ID.
        id: NetworkId,
    },
    /// Another interface of the container has the name.
    #[error(
        "interface name {interface} of container {container} is taken: choose another one, or leave it out"
    )]
    InterfaceTaken {
        /// The interface's name.
        interface: InterfaceName,
        /// The container.
        container: ContainerName,
    },
    /// Several networks' IDs begin with this text.
    #[error(
        "network {0} is ambiguous (several matches found based on ID prefix): give more digits"
    )]
    NetworkAmbiguous(String),
    /// No container has this name or id.
    #[error("No such container: {0}: see `vchctl container ls`")]
    ContainerNotFound(String),
    /// Several containers' IDs begin with this text.
    #[error(
        "container {0} is ambiguous (several matches found based on ID prefix): give more digits"
    )]
    ContainerAmbiguous(String),
    /// Another network has the name.
    #[error(
        "network with name {0} already exists: choose another name, or remove that network first"
    )]
    NetworkExists(NetworkName),
    /// The name belongs to one of the VCH's predefined networks.
    #[error("operation is not permitted on predefined {0} network : choose another name")]
    PredefinedName(NetworkName),
    /// The network is predefined, and can't be removed or changed.
    #[error("{0} is a pre-defined network and cannot be removed: it belongs to the VCH")]
    PredefinedNetwork(NetworkName),
    /// The network still has endpoints.
    #[error(
        "error while removing network: network {network} has active endpoints ({endpoints}): disconnect them first"
    )]
    NetworkInUse {
        /// The network.
        network: NetworkName,
        /// The names of the first few containers on it.
        endpoints: String,
    },
    /// No network of kind configuration has this name or ID.
    #[error("configuration network {0:?} does not exist: make one with config-only")]
    NoConfiguration(String),
    /// Other networks were made of this network of kind configuration.
    #[error(
        "error while removing network: configuration network \"{0}\" is in use: remove the networks that were made of it"
    )]
    ConfigurationInUse(NetworkName),
    /// The network is of kind configuration, and carries no containers.
    #[error(
        "network {0} only configures others: make a network of it by config-from, and connect to that"
    )]
    ConnectToConfiguration(NetworkName),
    /// The network has no DNS TTL: the VCH is the name server of bridge networks only.
    #[error("the VCH is not the name server of network {0}: set the DNS TTL of a bridge network")]
    NoDnsTtl(NetworkName),
    /// A limit on the number of networks, containers or entries would be exceeded.
    #[error(
        "field `{field}`: {count} is more than the limit of {limit}: remove some, or ask for fewer"
    )]
    TooMany {
        /// The field, or the kind of object.
        field: &'static str,
        /// How many there would be.
        count: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A batch contains a batch, or a change of external networks.
    #[error(
        "commands that go together can't hold others that do, nor a change of external networks: put the others in one list"
    )]
    Nested,
    /// A text is too long.
    #[error("field `{field}`: `{start}…` has {length} bytes: at most {limit} are possible")]
    TooLong {
        /// The field that has the text.
        field: &'static str,
        /// The beginning of the text.
        start: String,
        /// Its length in bytes.
        length: usize,
        /// The most bytes allowed.
        limit: usize,
    },
    /// The network would have no subnet.
    #[error("network {0} would have no subnet: ask for an IPv4 or an IPv6 subnet")]
    NoSubnet(NetworkName),
    /// The subnet has bits set beyond its prefix.
    #[error("invalid network config: invalid subnet {0}: it should be {net}", net = .0.trunc())]
    SubnetHostBits(IpNet),
    /// The subnet can't have hosts.
    #[error(
        "invalid network config: invalid subnet {net}: {reason}: choose a private one, as in 10.9.8.0/24 or fd00:9:8::/64"
    )]
    SubnetUnusable {
        /// The subnet.
        net: IpNet,
        /// The reason, as text.
        reason: &'static str,
    },
    /// The subnet overlaps another network's.
    #[error(
        "invalid pool request: Pool overlaps with other one on this address space: subnet {net} overlaps {other} of network {network}: choose another subnet"
    )]
    SubnetOverlap {
        /// The subnet.
        net: IpNet,
        /// The subnet that it overlaps.
        other: IpNet,
        /// The network of that subnet.
        network: NetworkName,
    },
    /// The subnet overlaps another one of the same request.
    #[error(
        "invalid network config: subnets {net} and {other} of one request overlap: choose another for one of them"
    )]
    SubnetTwice {
        /// The subnet.
        net: IpNet,
        /// The subnet that it overlaps.
        other: IpNet,
    },
    /// The subnet overlaps a route of the VCH.
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
        /// The address family, `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// The range has bits set beyond its prefix.
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
        /// The name that the caller gave it.
        name: String,
        /// The address.
        address: IpAddr,
        /// The subnet.
        net: IpNet,
    },
    /// Two of a subnet's reserved addresses are the same.
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
    /// The address is in none of the network's subnets.
    #[error(
        "invalid endpoint settings: no configured subnet contains IP address {address}: network {network} has {subnets}"
    )]
    AddressOutside {
        /// The address.
        address: IpAddr,
        /// The network.
        network: NetworkName,
        /// The network's subnets, as text.
        subnets: String,
    },
    /// Two addresses of one family were requested.
    #[error("addresses {0} and {1} are of one family: an endpoint has one address a family")]
    AddressTwice(IpAddr, IpAddr),
    /// Another endpoint has the address.
    #[error(
        "Address already in use: {address} belongs to container {holder}: choose another, or leave it to the VCH"
    )]
    AddressInUse {
        /// The address.
        address: IpAddr,
        /// The container that has it.
        holder: ContainerName,
    },
    /// The address is reserved for the gateway or by the caller.
    #[error(
        "Address already in use: {address} is kept back as {by} of network {network}: choose another"
    )]
    AddressReserved {
        /// The address.
        address: IpAddr,
        /// The purpose that it is reserved for.
        by: String,
        /// The network that reserves it.
        network: NetworkName,
    },
    /// The address belongs to a part of the subnet that another coordinator gives out.
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
        /// The address family, `IPv4` or `IPv6`.
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
    /// The network is the predefined one for containers without a network; nothing can be connected
    /// to it.
    #[error("network {0} has no endpoints: a container without a network is on it already")]
    NoEndpointsOnNone(NetworkName),
    /// Another container has the name.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    ContainerNameTaken {
        /// The name.
        name: ContainerName,
        /// The ID of the container that has the name.
        holder: String,
    },
    /// The container still has endpoints, and the command did not force the removal.
    #[error(
        "container {container} is still connected to {networks}: disconnect it first, or force the removal"
    )]
    ContainerConnected {
        /// The container.
        container: ContainerName,
        /// The networks that it is on.
        networks: String,
    },
    /// Another container has the channel; a channel identifies its container, so it can't be
    /// shared.
    #[error("channel {channel} is already that of container {holder}: give each container its own")]
    ChannelTaken {
        /// The channel, as text.
        channel: String,
        /// The container that has it.
        holder: ContainerName,
    },
    /// The vsock context ID is reserved (0 to 2).
    #[error("vsock context id {0} is reserved: use 3 to 4294967294")]
    ReservedCid(u32),
    /// Another endpoint has the MAC address.
    #[error(
        "MAC address {mac} is already that of container {holder}: choose another, or leave it to the VCH"
    )]
    MacTaken {
        /// The MAC address.
        mac: MacAddress,
        /// The container that has it.
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
    /// No valid spec can be made of the container's rows.
    #[error("the network of container {container} would not be possible: {reason}")]
    SpecImpossible {
        /// The container.
        container: ContainerName,
        /// The reason, with a remedy.
        reason: String,
    },
    /// The resolver settings can't be written as a resolv.conf(5).
    #[error("field `dns` of container {container}: {reason}")]
    Resolver {
        /// The container.
        container: ContainerName,
        /// The reason, with a remedy.
        reason: String,
    },
    /// A port can't be exposed or published.
    #[error(transparent)]
    Port(#[from] PortRefusal),
    /// An external network of the configuration is not possible.
    #[error(transparent)]
    External(#[from] ExternalRefusal),
}

#[cfg(test)]
mod tests;
