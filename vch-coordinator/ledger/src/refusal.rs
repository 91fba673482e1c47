//! The reasons for which the ledger does not carry a command out.

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

/// The kind of a [`Refusal`]. Each API derives its status code from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalKind {
    /// The command names a network, container or port that does not exist.
    NotFound,
    /// The command conflicts with an existing object, such as a name that is in use.
    Conflict,
    /// The command itself is not valid, whatever the ledger's state.
    Invalid,
    /// The command is not allowed, or not in the present state.
    Forbidden,
    /// No free address, subnet or port is left for the VCH to choose.
    Exhausted,
}

/// The reason for which the ledger does not carry a [`Command`](crate::Command) out. Nothing has changed then. The
/// message tells the caller what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No network has this name or ID.
    #[error("network {0} not found: see `vchctl network ls`")]
    NetworkNotFound(String),
    /// The container can't start: it was connected to a network that was removed while the container was stopped. It
    /// must first be disconnected from the removed network.
    #[error(
        "network {id} not found: {network} was removed while container {container} was stopped: disconnect the container from {network}, or connect it to a new network of that name"
    )]
    NetworkMissing {
        /// The stopped container.
        container: ContainerName,
        /// The name of the removed network.
        network: NetworkName,
        /// The ID of the removed network.
        id: NetworkId,
    },
    /// Another interface of the container has the requested interface name, or the name is `lo`.
    #[error(
        "interface name {interface} of container {container} is taken: choose another one, or leave it out"
    )]
    InterfaceTaken {
        /// The requested interface name.
        interface: InterfaceName,
        /// The container that has an interface of this name.
        container: ContainerName,
    },
    /// The IDs of several networks begin with this text.
    #[error(
        "network {0} is ambiguous (several matches found based on ID prefix): give more digits"
    )]
    NetworkAmbiguous(String),
    /// No container has this name or ID.
    #[error("No such container: {0}: see `vchctl container ls`")]
    ContainerNotFound(String),
    /// The IDs of several containers begin with this text.
    #[error(
        "container {0} is ambiguous (several matches found based on ID prefix): give more digits"
    )]
    ContainerAmbiguous(String),
    /// Another network has this name.
    #[error(
        "network with name {0} already exists: choose another name, or remove that network first"
    )]
    NetworkExists(NetworkName),
    /// The requested name belongs to `none`, the default bridge network, or an external network of the configuration.
    #[error("operation is not permitted on predefined {0} network : choose another name")]
    PredefinedName(NetworkName),
    /// The network can't be removed: it is predefined, which means `none`, the default bridge, or an external network.
    #[error("{0} is a pre-defined network and cannot be removed: it belongs to the VCH")]
    PredefinedNetwork(NetworkName),
    /// The network can't be removed, because running containers are connected to it.
    #[error(
        "error while removing network: network {network} has active endpoints ({endpoints}): disconnect them first"
    )]
    NetworkInUse {
        /// The network that was to be removed.
        network: NetworkName,
        /// The names of the first few running containers on the network, as text.
        endpoints: String,
    },
    /// The network's configuration should come from this network (`--config-from`), but no network of kind
    /// configuration (`--config-only`) has this name or ID.
    #[error("configuration network {0:?} does not exist: make one with config-only")]
    NoConfiguration(String),
    /// The network of kind configuration (Docker's `--config-only`) can't be removed: other networks were created from
    /// it.
    #[error(
        "error while removing network: configuration network \"{0}\" is in use: remove the networks that were made of it"
    )]
    ConfigurationInUse(NetworkName),
    /// The network only configures others (`--config-only`): no container can be connected to it.
    #[error(
        "network {0} only configures others: make a network of it by config-from, and connect to that"
    )]
    ConnectToConfiguration(NetworkName),
    /// The DNS TTL of this network can't be set: the VCH is the name server of bridge networks only.
    #[error("the VCH is not the name server of network {0}: set the DNS TTL of a bridge network")]
    NoDnsTtl(NetworkName),
    /// The command would exceed a limit on the number of networks, containers, or entries of a field.
    #[error(
        "field `{field}`: {count} is more than the limit of {limit}: remove some, or ask for fewer"
    )]
    TooMany {
        /// The field of the request, or the kind of object, that is limited.
        field: &'static str,
        /// The number that there would be.
        count: usize,
        /// The greatest number that is allowed.
        limit: usize,
    },
    /// A batch of commands contains another batch, or a change of the external networks.
    #[error(
        "commands that go together can't hold others that do, nor a change of external networks: put the others in one list"
    )]
    Nested,
    /// A text of the request is too long.
    #[error("field `{field}`: `{start}…` has {length} bytes: at most {limit} are possible")]
    TooLong {
        /// The field of the request that contains the text.
        field: &'static str,
        /// The first characters of the text.
        start: String,
        /// The length of the text, in bytes.
        length: usize,
        /// The greatest length that is allowed, in bytes.
        limit: usize,
    },
    /// The request for this network names no subnet, and asks for neither an IPv4 nor an IPv6 one.
    #[error("network {0} would have no subnet: ask for an IPv4 or an IPv6 subnet")]
    NoSubnet(NetworkName),
    /// The requested subnet has bits set beyond its prefix.
    #[error("invalid network config: invalid subnet {0}: it should be {net}", net = .0.trunc())]
    SubnetHostBits(IpNet),
    /// The requested subnet is reserved, or has no room for a container.
    #[error(
        "invalid network config: invalid subnet {net}: {reason}: choose a private one, as in 10.9.8.0/24 or fd00:9:8::/64"
    )]
    SubnetUnusable {
        /// The requested subnet.
        net: IpNet,
        /// The reason why it can't be used, as text.
        reason: &'static str,
    },
    /// The requested subnet overlaps a subnet of another network.
    #[error(
        "invalid pool request: Pool overlaps with other one on this address space: subnet {net} overlaps {other} of network {network}: choose another subnet"
    )]
    SubnetOverlap {
        /// The requested subnet.
        net: IpNet,
        /// The other network's subnet.
        other: IpNet,
        /// The name of the other network.
        network: NetworkName,
    },
    /// Two subnets of one request overlap.
    #[error(
        "invalid network config: subnets {net} and {other} of one request overlap: choose another for one of them"
    )]
    SubnetTwice {
        /// One of the two subnets.
        net: IpNet,
        /// The other subnet.
        other: IpNet,
    },
    /// The requested subnet overlaps the destination of a route of the VCH.
    #[error(
        "invalid pool request: Pool overlaps with other one on this address space: subnet {net} overlaps the VCH's route to {route}: choose another subnet"
    )]
    RouteOverlap {
        /// The requested subnet.
        net: IpNet,
        /// The route's destination.
        route: IpNet,
    },
    /// The VCH's address pools have no free subnet left for the VCH to choose.
    #[error(
        "all predefined address pools have been fully subnetted: give a {family} subnet, remove networks, or add a pool to the configuration"
    )]
    PoolsExhausted {
        /// The address family, `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// The requested range for automatic addresses (Docker's `--ip-range`) has bits set beyond its prefix.
    #[error("invalid network config: invalid ip-range {0}: it should be {net}", net = .0.trunc())]
    RangeHostBits(IpNet),
    /// The requested range for automatic addresses (Docker's `--ip-range`) is not inside its subnet.
    #[error(
        "invalid network config: invalid ip-range {range}: parent subnet {net} doesn't contain ip-range: choose one inside"
    )]
    RangeOutside {
        /// The requested range.
        range: IpNet,
        /// The subnet of the request.
        net: IpNet,
    },
    /// The requested range for automatic addresses (Docker's `--ip-range`) is larger than its subnet.
    #[error(
        "invalid network config: invalid ip-range {range}: CIDR block is bigger than its parent subnet {net}: choose a longer prefix"
    )]
    RangeTooBig {
        /// The requested range.
        range: IpNet,
        /// The subnet of the request.
        net: IpNet,
    },
    /// The requested gateway is not inside its subnet.
    #[error(
        "invalid network config: invalid gateway {gateway}: parent subnet {net} doesn't contain this address: choose one inside"
    )]
    GatewayOutside {
        /// The requested gateway.
        gateway: IpAddr,
        /// The subnet of the request.
        net: IpNet,
    },
    /// An auxiliary address (one that no container gets) is not inside its subnet.
    #[error(
        "invalid network config: invalid auxiliary address {name}={address}: parent subnet {net} doesn't contain this address: choose one inside"
    )]
    AuxiliaryOutside {
        /// The name that the caller gave the address.
        name: String,
        /// The auxiliary address.
        address: IpAddr,
        /// The subnet of the request.
        net: IpNet,
    },
    /// The same address is requested twice: as gateway and as auxiliary address, or as two auxiliary addresses.
    #[error(
        "invalid network config: address {address} of subnet {net} is kept back twice: give the gateway and each auxiliary address its own"
    )]
    ReservedTwice {
        /// The address that occurs twice.
        address: IpAddr,
        /// The subnet of the request.
        net: IpNet,
    },
    /// The requested address of an endpoint or a gateway is the subnet's first address or its IPv4 broadcast address,
    /// which no host may have.
    #[error(
        "address {address} is no host's in subnet {net}: its first and last address belong to the subnet itself: choose another"
    )]
    NotAHost {
        /// The requested address.
        address: IpAddr,
        /// The subnet that contains the requested address.
        net: IpNet,
    },
    /// The requested address is in none of the network's subnets.
    #[error(
        "invalid endpoint settings: no configured subnet contains IP address {address}: network {network} has {subnets}"
    )]
    AddressOutside {
        /// The requested address.
        address: IpAddr,
        /// The network to connect to.
        network: NetworkName,
        /// The network's subnets, as text.
        subnets: String,
    },
    /// Two addresses of one family were requested for one endpoint.
    #[error("addresses {0} and {1} are of one family: an endpoint has one address a family")]
    AddressTwice(IpAddr, IpAddr),
    /// Another container has the requested address.
    #[error(
        "Address already in use: {address} belongs to container {holder}: choose another, or leave it to the VCH"
    )]
    AddressInUse {
        /// The requested address.
        address: IpAddr,
        /// The name of the container that has the address.
        holder: ContainerName,
    },
    /// The requested address is reserved: it is the gateway's, the VCH's own, or an auxiliary address.
    #[error(
        "Address already in use: {address} is kept back as {by} of network {network}: choose another"
    )]
    AddressReserved {
        /// The requested address.
        address: IpAddr,
        /// The purpose that it is reserved for, as text.
        by: String,
        /// The network that reserves the address.
        network: NetworkName,
    },
    /// The requested address is in a part of the subnet that this coordinator may not give out. At present it may give
    /// out all of each subnet: see [`Grants`](crate::Grants).
    #[error(
        "address {address} of network {network} is not granted to this coordinator: choose another"
    )]
    AddressNotGranted {
        /// The requested address.
        address: IpAddr,
        /// The network to connect to.
        network: NetworkName,
    },
    /// This address was requested on the default bridge network, on which only the VCH chooses addresses.
    #[error(
        "user-specified IP address is supported on user-defined networks only: leave {0} out, or make a network"
    )]
    AddressOnDefaultBridge(IpAddr),
    /// The network has no free address left for the VCH to choose.
    #[error(
        "no available {family} addresses on network {network}: disconnect containers, or make a network with a larger subnet or range"
    )]
    AddressesExhausted {
        /// The address family, `IPv4` or `IPv6`.
        family: &'static str,
        /// The network to connect to.
        network: NetworkName,
    },
    /// The container is connected to the network already.
    #[error(
        "{container} is already attached to network {network}: disconnect it first to change its endpoint"
    )]
    AlreadyConnected {
        /// The container to connect.
        container: ContainerName,
        /// The network to connect to.
        network: NetworkName,
    },
    /// The container is not connected to the network.
    #[error(
        "container {container} is not connected to network {network}: see `vchctl container inspect {container}`"
    )]
    NotConnected {
        /// The container that the command names.
        container: ContainerName,
        /// The network that the command names.
        network: NetworkName,
    },
    /// The network is the predefined one for containers without a network (`none`). No container can be connected to
    /// it.
    #[error("network {0} has no endpoints: a container without a network is on it already")]
    NoEndpointsOnNone(NetworkName),
    /// Another container has the requested name.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    ContainerNameTaken {
        /// The requested name.
        name: ContainerName,
        /// The ID of the container that has the name.
        holder: String,
    },
    /// The container can't be removed, because it is connected to networks and the command did not force the removal.
    #[error(
        "container {container} is still connected to {networks}: disconnect it first, or force the removal"
    )]
    ContainerConnected {
        /// The container that was to be removed.
        container: ContainerName,
        /// The names of the networks that it is connected to, as text.
        networks: String,
    },
    /// Another container has the requested channel to an agent. The channel identifies the container, so it can't be
    /// shared.
    #[error("channel {channel} is already that of container {holder}: give each container its own")]
    ChannelTaken {
        /// The requested channel, as text.
        channel: String,
        /// The name of the container that has the channel.
        holder: ContainerName,
    },
    /// The requested vsock context ID is reserved: 0 to 2, or 4294967295 (vsock(7)).
    #[error("vsock context id {0} is reserved: use 3 to 4294967294")]
    ReservedCid(u32),
    /// Another endpoint has the requested MAC address.
    #[error(
        "MAC address {mac} is already that of container {holder}: choose another, or leave it to the VCH"
    )]
    MacTaken {
        /// The requested MAC address.
        mac: MacAddress,
        /// The name of the container that has the MAC address.
        holder: ContainerName,
    },
    /// Another endpoint of the container uses the NIC that was requested.
    #[error(
        "{nic} already carries another endpoint of container {container}: give each endpoint its own NIC"
    )]
    NicTaken {
        /// The property by which the agent should recognise the NIC, as requested.
        nic: NicMatch,
        /// The container that has the NIC.
        container: ContainerName,
    },
    /// The network specification for the container's agent can't be made with the requested settings.
    #[error("the network of container {container} would not be possible: {reason}")]
    SpecImpossible {
        /// The container that the specification is for.
        container: ContainerName,
        /// The reason, with a remedy, as text.
        reason: String,
    },
    /// The requested resolver settings can't be written as a resolv.conf(5).
    #[error("field `dns` of container {container}: {reason}")]
    Resolver {
        /// The container that has the settings.
        container: ContainerName,
        /// The reason, with a remedy, as text.
        reason: String,
    },
    /// A port can't be exposed or published.
    #[error(transparent)]
    Port(#[from] PortRefusal),
    /// An external network can't be as the configuration file declares it, or can't be used.
    #[error(transparent)]
    External(#[from] ExternalRefusal),
}

#[cfg(test)]
mod tests;
