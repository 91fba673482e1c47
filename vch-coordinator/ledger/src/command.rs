//! The commands that the ledger decides, and its answers.

use crate::{
    AddressRange, Attachment, BridgeOptions, Change, Channel, ContainerId, ContainerName,
    ContainerPort, ContainerRef, Dns, DnsTtl, DocumentKind, EndpointId, ExternalNetwork, NetworkId,
    NetworkName, NetworkRef, PortBinding, Revision, SegmentKind, Subnet,
};
use ipnet::IpNet;
use protocol::spec::{
    DomainName, Generation, HostEntry, Hostname, Incarnation, InterfaceName, MacAddress, Mtu,
    NicMatch,
};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// A command that is decided as a whole: it becomes one transaction, or a refusal that changes
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates a bridge network.
    CreateNetwork(CreateNetwork),
    /// Removes a network that no running container is on. The endpoints of stopped containers on it
    /// end; these containers do not start before they are disconnected from the network. Undoes
    /// `CreateNetwork`.
    RemoveNetwork(NetworkRef),
    /// Sets how long resolvers may cache answers about the names of a bridge network, or of a network of kind
    /// configuration.
    SetDnsTtl {
        /// The network.
        network: NetworkRef,
        /// The new TTL; `None` for the VCH's default.
        ttl: Option<DnsTtl>,
    },
    /// Adds a container to the ledger.
    AddContainer(AddContainer),
    /// Removes a container from the ledger. Undoes `AddContainer`.
    RemoveContainer {
        /// The container.
        container: ContainerRef,
        /// Whether to disconnect the container from its networks too; without it, a connected
        /// container is refused.
        force: bool,
    },
    /// Connects a container to a network.
    Connect(Connect),
    /// Disconnects a container from a network. Undoes `Connect`.
    Disconnect {
        /// The container.
        container: ContainerRef,
        /// The network.
        network: NetworkRef,
    },
    /// Gives a container a new incarnation, and puts its names and ports in force; sent before its
    /// VM is started, restored or cloned. Undone by `StopContainer`.
    StartContainer(ContainerRef),
    /// Ends what is in force of a container whose VM has ended: its names and ports. Its endpoints stay, with their
    /// addresses and MAC addresses. Changes nothing for a container that is stopped already.
    StopContainer(ContainerRef),
    /// Exposes or publishes ports; those of a running container are in force at once.
    PublishPorts {
        /// The container.
        container: ContainerRef,
        /// The ports; those that the container has already are not added again.
        ports: Vec<ContainerPort>,
    },
    /// Ends the exposing and publishing of ports. Undoes `PublishPorts`.
    UnpublishPorts {
        /// The container.
        container: ContainerRef,
        /// The ports. Their clients are not compared; a port of the VCH that the ledger chose may
        /// be named.
        ports: Vec<ContainerPort>,
    },
    /// Notes that a container's health check changed its result.
    SetHealth {
        /// The container.
        container: ContainerRef,
        /// Whether the health check fails.
        unhealthy: bool,
    },
    /// Replaces a container's aliases on a network.
    SetAliases {
        /// The container.
        container: ContainerRef,
        /// The network.
        network: NetworkRef,
        /// All aliases that the container is to have there.
        aliases: Vec<Hostname>,
    },
    /// Makes the external networks these, when the configuration is read again.
    ///
    /// A subnet can't move from one external network to another existing one at once: that takes
    /// two commands.
    Configure(Vec<ExternalNetwork>),
    /// Renames a container.
    RenameContainer {
        /// The container.
        container: ContainerRef,
        /// The container's new name.
        name: ContainerName,
    },
    /// Stores a document with a container, in place of the one of its kind.
    Document {
        /// The container.
        container: ContainerRef,
        /// The kind of the document.
        kind: DocumentKind,
        /// The document's text.
        text: String,
    },
    /// Decides several commands, one after the other, as one transaction: all of them, or none. It may contain
    /// neither a `Batch` nor a [`Self::Configure`].
    Batch(Vec<Command>),
}

/// A request to create a bridge network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateNetwork {
    /// The network's name.
    pub name: NetworkName,
    /// Whether to give the network an IPv4 subnet from the pools if `subnets` has none.
    pub ipv4: bool,
    /// Whether to give the network an IPv6 subnet of the VCH's ULA prefix if `subnets` has none.
    pub ipv6: bool,
    /// Subnets that the caller chose.
    pub subnets: Vec<SubnetRequest>,
    /// The kind of segment that carries the network; `None` for the VCH's default.
    pub segment: Option<SegmentKind>,
    /// The MTU of the network's interfaces, in bytes; `None` leaves the kernel's.
    pub mtu: Option<Mtu>,
    /// How long resolvers may cache answers about the network's names; `None` for the VCH's
    /// default.
    pub dns_ttl: Option<DnsTtl>,
    /// Whether the network has no route to the outside.
    pub internal: bool,
    /// The caller's labels; the ledger does not read them.
    pub labels: BTreeMap<String, String>,
    /// The options of the network's bridge.
    pub bridge: BridgeOptions,
    /// A document that the ledger does not read; see
    /// [`Network::document`](crate::Network::document).
    pub document: Arc<str>,
    /// The source of the network's configuration.
    pub configuration: Configuration,
}

/// The source of a new network's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Configuration {
    /// The network has its own, and carries containers.
    #[default]
    Own,
    /// The network has its own, for others to use, and carries no containers.
    ForOthers,
    /// The network takes it from a network of kind `ForOthers`: subnets, labels, options, document, MTU, DNS TTL and
    /// segment.
    Of(NetworkRef),
}

impl CreateNetwork {
    /// Returns the request for a network with one automatic IPv4 subnet.
    pub fn named(name: NetworkName) -> Self {
        Self {
            name,
            ipv4: true,
            ipv6: false,
            subnets: Vec::new(),
            segment: None,
            mtu: None,
            dns_ttl: None,
            internal: false,
            labels: BTreeMap::new(),
            bridge: BridgeOptions::default(),
            document: Arc::default(),
            configuration: Configuration::Own,
        }
    }
}

/// A subnet that the caller of `CreateNetwork` chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetRequest {
    /// The subnet.
    pub net: IpNet,
    /// The VCH's address in it; `None` for the first that is free.
    pub gateway: Option<IpAddr>,
    /// The part of the subnet that automatic addresses come from; `None` for the whole subnet.
    pub range: Option<IpNet>,
    /// Addresses that are never given to an endpoint, by the name that the caller gave each.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

impl From<&Subnet> for SubnetRequest {
    fn from(subnet: &Subnet) -> Self {
        Self {
            net: subnet.net,
            gateway: subnet.gateway,
            range: subnet.ranges.first().and_then(AddressRange::net),
            auxiliary: subnet.auxiliary.clone(),
        }
    }
}

impl From<IpNet> for SubnetRequest {
    fn from(net: IpNet) -> Self {
        Self {
            net,
            gateway: None,
            range: None,
            auxiliary: BTreeMap::new(),
        }
    }
}

/// A request to add a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddContainer {
    /// The container's name.
    pub name: ContainerName,
    /// The container's host name; `None` for the first 12 digits of its ID.
    pub hostname: Option<Hostname>,
    /// The domain that its host name is in.
    pub domain: Option<DomainName>,
    /// Kernel settings of the container's network; see
    /// [`Container::sysctls`](crate::Container::sysctls).
    pub sysctls: BTreeMap<String, String>,
    /// The channel to the container's agent.
    pub channel: Channel,
    /// The container's own resolver settings.
    pub dns: Dns,
    /// Lines for the container's hosts file beside its own names.
    pub extra_hosts: Vec<HostEntry>,
    /// The ports that the container exposes and publishes.
    pub ports: Vec<ContainerPort>,
    /// Whether to publish the exposed ports too, at ports that the VCH chooses.
    pub publish_all: bool,
}

/// A request to connect a container to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The container.
    pub container: ContainerRef,
    /// The network.
    pub network: NetworkRef,
    /// Addresses that the caller chose, at most one a family; the others are automatic.
    pub addresses: Vec<IpAddr>,
    /// The MAC address that the caller chose; `None` for one derived from the endpoint's ID.
    pub mac: Option<MacAddress>,
    /// The container's further names on this network.
    pub aliases: Vec<Hostname>,
    /// The kind of link that attaches the container to the network's segment.
    pub attachment: Attachment,
    /// The property by which the agent finds the NIC; `None` for its MAC address.
    pub nic: Option<NicMatch>,
    /// The interface's name in the guest; `None` for the first of `eth0`, `eth1` … that is free.
    pub interface: Option<InterfaceName>,
    /// Kernel settings of the interface; see [`Endpoint::sysctls`](crate::Endpoint::sysctls).
    pub sysctls: BTreeMap<String, String>,
    /// The priority of this network's gateway as the container's default: the greatest wins; 0 by
    /// default.
    pub gateway_priority: i32,
    /// Names that only this container has for other containers, each in force while the other one is on the network
    /// too.
    pub links: Vec<(ContainerRef, Hostname)>,
    /// Whether the endpoint's names are answered only while the container is healthy.
    pub only_healthy: bool,
}

impl Connect {
    /// Returns the request for a tap with everything automatic.
    pub fn tap(container: impl Into<ContainerRef>, network: impl Into<NetworkRef>) -> Self {
        Self {
            container: container.into(),
            network: network.into(),
            addresses: Vec::new(),
            mac: None,
            aliases: Vec::new(),
            attachment: Attachment::Tap,
            nic: None,
            interface: None,
            sysctls: BTreeMap::new(),
            gateway_priority: 0,
            links: Vec::new(),
            only_healthy: false,
        }
    }
}

/// A decided command: the changes that the store writes and the data plane follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The transaction's number: one more than the last one's.
    pub revision: Revision,
    /// The changes of rows, each row at most once.
    pub changes: Vec<Change>,
    /// The answer to the caller.
    pub answer: Answer,
}

/// The answer to a command's caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The predefined networks exist.
    Bootstrapped {
        /// The networks that were created.
        networks: Vec<NetworkId>,
    },
    /// A network was created.
    NetworkCreated {
        /// The network's ID.
        network: NetworkId,
        /// The network's subnets.
        subnets: Vec<Subnet>,
    },
    /// A network was removed.
    NetworkRemoved {
        /// The removed network's ID.
        network: NetworkId,
    },
    /// A network's DNS TTL was set.
    DnsTtlSet {
        /// The network's ID.
        network: NetworkId,
    },
    /// A container was added.
    ContainerAdded {
        /// The container's ID.
        container: ContainerId,
    },
    /// A container was removed.
    ContainerRemoved {
        /// The removed container's ID.
        container: ContainerId,
        /// The endpoints that were removed with it.
        endpoints: Vec<EndpointId>,
    },
    /// A container has an endpoint on a network.
    Connected {
        /// The new endpoint's ID.
        endpoint: EndpointId,
        /// The container's ID.
        container: ContainerId,
        /// The network's ID.
        network: NetworkId,
        /// The endpoint's addresses, with their subnets' prefix lengths.
        addresses: Vec<IpNet>,
        /// The endpoint's MAC address.
        mac: MacAddress,
        /// The interface's name in the guest.
        interface: InterfaceName,
        /// The generation of the container's spec that has the interface.
        generation: Generation,
    },
    /// A container's endpoint was removed.
    Disconnected {
        /// The removed endpoint's ID.
        endpoint: EndpointId,
        /// The container's ID.
        container: ContainerId,
        /// The network's ID.
        network: NetworkId,
        /// The generation of the container's first spec without the interface.
        generation: Generation,
    },
    /// A container has a new incarnation.
    Started {
        /// The container's ID.
        container: ContainerId,
        /// The new incarnation.
        incarnation: Incarnation,
        /// The generation of the container's first spec in it.
        generation: Generation,
    },
    /// A container was renamed.
    Renamed {
        /// The container's ID.
        container: ContainerId,
    },
    /// A container's names and ports are no longer in force.
    Stopped {
        /// The container's ID.
        container: ContainerId,
    },
    /// A container exposes or publishes further ports.
    PortsPublished {
        /// The container's ID.
        container: ContainerId,
        /// The ports that were added.
        ports: Vec<ContainerPort>,
        /// The bindings of these ports that are in force now.
        bindings: Vec<PortBinding>,
    },
    /// A container no longer exposes or publishes the ports.
    PortsUnpublished {
        /// The container's ID.
        container: ContainerId,
    },
    /// A container was disconnected from a network that had been removed while it was stopped.
    Forgotten {
        /// The container's ID.
        container: ContainerId,
        /// The removed network's ID.
        network: NetworkId,
    },
    /// The result of a container's health check was noted.
    HealthSet {
        /// The container's ID.
        container: ContainerId,
    },
    /// A container's aliases on a network were replaced.
    AliasesSet {
        /// The container's ID.
        container: ContainerId,
        /// The network's ID.
        network: NetworkId,
    },
    /// The external networks are as the configuration has them.
    Configured {
        /// The networks that were added.
        added: Vec<NetworkId>,
        /// The networks that were changed.
        changed: Vec<NetworkId>,
        /// The networks that were removed.
        removed: Vec<NetworkId>,
    },
    /// A document was stored.
    Documented {
        /// The ID of the container that it belongs to.
        container: ContainerId,
    },
    /// The answer of each command, in the commands' order.
    Batch(Vec<Answer>),
}
