//! What can be asked of the ledger, and what it answers.

use crate::{
    AddressRange, Attachment, BridgeOptions, Change, Channel, ContainerId, ContainerName,
    ContainerPort, ContainerRef, Dns, DnsTtl, DocumentKind, EndpointId, ExternalNetwork, NetworkId,
    NetworkName, NetworkRef, PortBinding, Rate, Revision, SegmentKind, Subnet,
};
use ipnet::IpNet;
use protocol::spec::{
    DomainName, Generation, HostEntry, Hostname, Incarnation, InterfaceName, MacAddress, Mtu,
    NicMatch,
};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// What is decided as a whole: it becomes one transaction, or a refusal that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make a bridge network.
    CreateNetwork(CreateNetwork),
    /// Remove a network on which no running container is. The endpoints of stopped ones end, and
    /// these do not start before they are disconnected from it. Undoes `CreateNetwork`.
    RemoveNetwork(NetworkRef),
    /// Let answers about the names of a bridge network, or of a configuration, be kept for another time.
    SetDnsTtl {
        /// Which network.
        network: NetworkRef,
        /// From now on; `None` for the VCH's default.
        ttl: Option<DnsTtl>,
    },
    /// Make a container known.
    AddContainer(AddContainer),
    /// Forget a container. Undoes `AddContainer`.
    RemoveContainer {
        /// Which one.
        container: ContainerRef,
        /// Disconnect it from its networks too, where it would be refused otherwise.
        force: bool,
    },
    /// Connect a container to a network.
    Connect(Connect),
    /// Disconnect a container from a network. Undoes `Connect`.
    Disconnect {
        /// The container.
        container: ContainerRef,
        /// On which network.
        network: NetworkRef,
    },
    /// A container's VM is about to be started, restored or cloned: it gets a new life, and its
    /// names and ports are in force. Undone by `StopContainer`.
    StartContainer(ContainerRef),
    /// A container's VM has ended: its names and ports are no longer in force. Its endpoints stay, with
    /// addresses and MAC addresses; stopped twice, nothing happens.
    StopContainer(ContainerRef),
    /// Expose or publish ports; of a running container at once.
    PublishPorts {
        /// Whose.
        container: ContainerRef,
        /// Which; what the container has already is not added again.
        ports: Vec<ContainerPort>,
    },
    /// Expose and publish ports no longer. Undoes `PublishPorts`.
    UnpublishPorts {
        /// Whose.
        container: ContainerRef,
        /// Which. Whose clients does not matter; a port that the VCH chose may be named, too.
        ports: Vec<ContainerPort>,
    },
    /// A container's health check says something else than before.
    SetHealth {
        /// Whose.
        container: ContainerRef,
        /// It fails.
        unhealthy: bool,
    },
    /// Give a container other aliases on a network.
    SetAliases {
        /// Whose.
        container: ContainerRef,
        /// On which network.
        network: NetworkRef,
        /// All that it has from now on.
        aliases: Vec<Hostname>,
    },
    /// Limit how much a container may receive from a network, and how much it may send.
    SetRate {
        /// Which container.
        container: ContainerRef,
        /// Which network.
        network: NetworkRef,
        /// From now on; `None` for no limit.
        rate: Option<Rate>,
    },
    /// The configuration was read again: these are the external networks from now on.
    ///
    /// A subnet can't go from one of them to another that exists already: that takes two readings.
    Configure(Vec<ExternalNetwork>),
    /// Give a container another name.
    RenameContainer {
        /// Which one.
        container: ContainerRef,
        /// Its new name.
        name: ContainerName,
    },
    /// Keep a document with a container, in place of the one of its kind.
    Document {
        /// With which.
        container: ContainerRef,
        /// Which document.
        kind: DocumentKind,
        /// What it says.
        text: String,
    },
    /// Several commands, one after the other, as one transaction: all of them, or none. Neither this one nor
    /// [`Self::Configure`] may be among them.
    Batch(Vec<Command>),
}

/// A network to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateNetwork {
    /// Its name.
    pub name: NetworkName,
    /// Give it an IPv4 subnet from the pools where `subnets` has none.
    pub ipv4: bool,
    /// Give it an IPv6 subnet of the VCH's ULA prefix where `subnets` has none.
    pub ipv6: bool,
    /// Subnets that the caller chose.
    pub subnets: Vec<SubnetRequest>,
    /// The L2 that carries it; `None` for the VCH's default.
    pub segment: Option<SegmentKind>,
    /// The MTU of its interfaces.
    pub mtu: Option<Mtu>,
    /// How long answers about its names may be kept; `None` for the VCH's default.
    pub dns_ttl: Option<DnsTtl>,
    /// Without a way out.
    pub internal: bool,
    /// The caller's own marks.
    pub labels: BTreeMap<String, String>,
    /// What its bridge does with its containers' traffic.
    pub bridge: BridgeOptions,
    /// See [`Network::document`](crate::Network::document).
    pub document: Arc<str>,
    /// Whose configuration it has.
    pub configuration: Configuration,
}

/// Whose configuration a new network has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Configuration {
    /// Its own.
    #[default]
    Own,
    /// Its own, for others: the network carries nothing itself.
    ForOthers,
    /// That of a network which is for others: its subnets, labels, options, document, MTU, DNS TTL and segment.
    Of(NetworkRef),
}

impl CreateNetwork {
    /// A network with one automatic IPv4 subnet.
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

/// A subnet that the caller chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetRequest {
    /// The subnet.
    pub net: IpNet,
    /// The VCH's address in it; `None` for the first that is free.
    pub gateway: Option<IpAddr>,
    /// Where automatic addresses come from; `None` for the whole subnet.
    pub range: Option<IpNet>,
    /// Addresses never to be handed out, by name.
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

/// A container to be made known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddContainer {
    /// Its name.
    pub name: ContainerName,
    /// Its host name; `None` for the first 12 digits of its id.
    pub hostname: Option<Hostname>,
    /// The domain that its host name is in.
    pub domain: Option<DomainName>,
    /// See [`Container::sysctls`](crate::Container::sysctls).
    pub sysctls: BTreeMap<String, String>,
    /// How its agent is reached.
    pub channel: Channel,
    /// Its own resolver settings.
    pub dns: Dns,
    /// Lines for its hosts file beside its own names.
    pub extra_hosts: Vec<HostEntry>,
    /// The ports that it exposes and publishes.
    pub ports: Vec<ContainerPort>,
    /// Publish what is exposed, too, at ports that the VCH chooses.
    pub publish_all: bool,
}

/// An endpoint to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// To which container.
    pub container: ContainerRef,
    /// On which network.
    pub network: NetworkRef,
    /// Addresses that the caller chose, one a family at most; the rest is automatic.
    pub addresses: Vec<IpAddr>,
    /// A MAC address that the caller chose.
    pub mac: Option<MacAddress>,
    /// Further names on this network.
    pub aliases: Vec<Hostname>,
    /// How it hangs on the network's segment.
    pub attachment: Attachment,
    /// By what the agent knows the NIC; `None` for its MAC address.
    pub nic: Option<NicMatch>,
    /// What the guest calls the interface; `None` for the first of `eth0`, `eth1` … that is free.
    pub interface: Option<InterfaceName>,
    /// See [`Endpoint::sysctls`](crate::Endpoint::sysctls).
    pub sysctls: BTreeMap<String, String>,
    /// Whose gateway is the container's default: the greatest first, 0 by default.
    pub gateway_priority: i32,
    /// Names that it alone has for other containers, each as long as that one is on the network too.
    pub links: Vec<(ContainerRef, Hostname)>,
    /// Its names answer only while it is healthy.
    pub only_healthy: bool,
    /// See [`Endpoint::rate`](crate::Endpoint::rate).
    pub rate: Option<Rate>,
}

impl Connect {
    /// A tap with everything automatic.
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
            rate: None,
        }
    }
}

/// A command that was decided: what the store writes and the effects follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its number: one more than the last one's.
    pub revision: Revision,
    /// What became of which rows; no row twice.
    pub changes: Vec<Change>,
    /// What the caller is told.
    pub answer: Answer,
}

/// What a command's caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The predefined networks exist.
    Bootstrapped {
        /// Those that were made.
        networks: Vec<NetworkId>,
    },
    /// A network was made.
    NetworkCreated {
        /// Its identity.
        network: NetworkId,
        /// Its subnets.
        subnets: Vec<Subnet>,
    },
    /// A network is gone.
    NetworkRemoved {
        /// Which it was.
        network: NetworkId,
    },
    /// Answers about a network's names are kept for another time.
    DnsTtlSet {
        /// Which network.
        network: NetworkId,
    },
    /// A container is known.
    ContainerAdded {
        /// Its identity.
        container: ContainerId,
    },
    /// A container is forgotten.
    ContainerRemoved {
        /// Which it was.
        container: ContainerId,
        /// The endpoints that went with it.
        endpoints: Vec<EndpointId>,
    },
    /// A container has an endpoint on a network.
    Connected {
        /// The endpoint.
        endpoint: EndpointId,
        /// Whose.
        container: ContainerId,
        /// On which network.
        network: NetworkId,
        /// Its addresses.
        addresses: Vec<IpNet>,
        /// Its MAC address.
        mac: MacAddress,
        /// What the guest calls the interface.
        interface: InterfaceName,
        /// The number of the container's spec that has it.
        generation: Generation,
    },
    /// A container's endpoint is gone.
    Disconnected {
        /// The endpoint that is gone.
        endpoint: EndpointId,
        /// Whose.
        container: ContainerId,
        /// On which network.
        network: NetworkId,
        /// The number of the container's first spec without it.
        generation: Generation,
    },
    /// A container has a new life.
    Started {
        /// Which container.
        container: ContainerId,
        /// The life.
        incarnation: Incarnation,
        /// The number of its first spec.
        generation: Generation,
    },
    /// A container has another name.
    Renamed {
        /// Which container.
        container: ContainerId,
    },
    /// A container's names and ports are no longer in force.
    Stopped {
        /// Which container.
        container: ContainerId,
    },
    /// A container exposes or publishes further ports.
    PortsPublished {
        /// Which container.
        container: ContainerId,
        /// What was added.
        ports: Vec<ContainerPort>,
        /// What is in force of that now.
        bindings: Vec<PortBinding>,
    },
    /// A container exposes and publishes ports no longer.
    PortsUnpublished {
        /// Which container.
        container: ContainerId,
    },
    /// A container does not miss a network any more that was removed.
    Forgotten {
        /// Which container.
        container: ContainerId,
        /// The network that was removed.
        network: NetworkId,
    },
    /// What a container's health check says is known.
    HealthSet {
        /// Which container.
        container: ContainerId,
    },
    /// A container has other aliases.
    AliasesSet {
        /// Which container.
        container: ContainerId,
        /// On which network.
        network: NetworkId,
    },
    /// A container's endpoint has another limit.
    RateSet {
        /// Which container.
        container: ContainerId,
        /// On which network.
        network: NetworkId,
        /// The limit that it had.
        before: Option<Rate>,
    },
    /// The external networks are as they were asked for.
    Configured {
        /// Those that are new.
        added: Vec<NetworkId>,
        /// Those that were otherwise before.
        changed: Vec<NetworkId>,
        /// Those that are gone.
        removed: Vec<NetworkId>,
    },
    /// A document is kept.
    Documented {
        /// With which container.
        container: ContainerId,
    },
    /// Each command's answer, in their order.
    Batch(Vec<Answer>),
}
