//! The commands that the ledger decides, and its answers.

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

/// A command to the ledger. It is decided as a whole: it becomes one [`Transaction`], or a [`Refusal`](crate::Refusal)
/// that changes nothing. [`Ledger::decide`](crate::Ledger::decide) takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates a bridge network, or a network of kind configuration (Docker's `--config-only`).
    CreateNetwork(CreateNetwork),
    /// Removes a network that no running container is connected to. The endpoints of stopped containers on the network
    /// are removed with it; these containers do not start before they are disconnected from the network, or connected
    /// to a new one of its name. Refused for a predefined network. Undoes `CreateNetwork`.
    RemoveNetwork(NetworkRef),
    /// Sets how long DNS resolvers may cache answers about the names of a bridge network, or, for a network of kind
    /// configuration (Docker's `--config-only`), of the networks that are created from it later.
    SetDnsTtl {
        /// The network whose TTL is set.
        network: NetworkRef,
        /// The new TTL; `None` for the default of the VCH's configuration.
        ttl: Option<DnsTtl>,
    },
    /// Adds a container to the ledger: stopped, and connected to no network.
    AddContainer(AddContainer),
    /// Removes a container from the ledger, with its documents and ports. Does not check whether the container runs.
    /// Undoes `AddContainer`.
    RemoveContainer {
        /// The container to remove.
        container: ContainerRef,
        /// Whether to disconnect the container from its networks first. If false, the removal of a connected container
        /// is refused.
        force: bool,
    },
    /// Connects a container to a network.
    Connect(Connect),
    /// Disconnects a container from a network. Undoes `Connect`. If the network was removed while the container was
    /// stopped, the container no longer misses it and can start again.
    Disconnect {
        /// The container to disconnect.
        container: ContainerRef,
        /// The network to disconnect the container from.
        network: NetworkRef,
    },
    /// Records that a container is about to run: gives it a new incarnation (the random identity of one run), and
    /// activates its DNS names and published ports. Refused if a port can't be published. Sent before the VM is
    /// started, restored or cloned. Undone by `StopContainer`.
    StartContainer(ContainerRef),
    /// Records that a container's VM has ended: deactivates the container's DNS names and published ports. Its
    /// endpoints stay, with their IP and MAC addresses. Changes nothing if the container is stopped already.
    StopContainer(ContainerRef),
    /// Exposes or publishes ports of a container. If the container runs, they are active at once.
    PublishPorts {
        /// The container whose ports they are.
        container: ContainerRef,
        /// The ports to add. A request that equals one that the container has, publication included, is not added
        /// again: 80/tcp at port 8081 is added beside 80/tcp at 8080.
        ports: Vec<ContainerPort>,
    },
    /// Removes exposed and published ports from a container. Undoes `PublishPorts`.
    UnpublishPorts {
        /// The container whose ports they are.
        container: ContainerRef,
        /// The ports to remove, each named by the port in the container and by the address and port of the VCH; client
        /// subnets are not compared. A port that was published without a host port also matches if it is named with the
        /// host port that the ledger chose. The command is refused if the container lacks one of them.
        ports: Vec<ContainerPort>,
    },
    /// Stores the new result of a container's health check.
    SetHealth {
        /// The container whose health changed.
        container: ContainerRef,
        /// Whether the health check fails now.
        unhealthy: bool,
    },
    /// Replaces a container's aliases (further DNS names) on a network.
    SetAliases {
        /// The container whose aliases are replaced.
        container: ContainerRef,
        /// The network on which the aliases are answered.
        network: NetworkRef,
        /// The complete list of aliases that the container has on the network afterwards.
        aliases: Vec<Hostname>,
    },
    /// Limits the rate at which a container receives from a network, and the rate at which it sends.
    SetRate {
        /// The container to limit.
        container: ContainerRef,
        /// The network by which the limited traffic passes.
        network: NetworkRef,
        /// The new limit of each direction; `None` for no limit.
        rate: Option<Rate>,
    },
    /// Replaces the set of external networks by this one: adds, changes and removes networks until the ledger has
    /// exactly these. Sent when the configuration file is read again.
    ///
    /// A subnet can't move from one existing external network to another in one command: remove it from the first
    /// network in one command, and add it to the second in the next.
    Configure(Vec<ExternalNetwork>),
    /// Renames a container.
    RenameContainer {
        /// The container to rename.
        container: ContainerRef,
        /// The container's new name.
        name: ContainerName,
    },
    /// Stores a document (a text that the ledger does not read) with a container. It replaces the container's document
    /// of the same kind.
    Document {
        /// The container that the document belongs to.
        container: ContainerRef,
        /// The kind of the document.
        kind: DocumentKind,
        /// The document's text.
        text: String,
    },
    /// Decides several commands, in their order, as one transaction: all of them are carried out, or none. At most
    /// [`MAX_TOGETHER`](crate::MAX_TOGETHER) commands; neither a `Batch` nor a [`Self::Configure`] may be among them.
    Batch(Vec<Command>),
}

/// A request to create a bridge network, or a network of kind configuration (Docker's `--config-only`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateNetwork {
    /// The network's name.
    pub name: NetworkName,
    /// Whether to choose an IPv4 subnet from the VCH's address pools if `subnets` contains no IPv4 subnet.
    pub ipv4: bool,
    /// Whether to choose an IPv6 subnet if `subnets` contains none: from the address pools, then from the VCH's own
    /// unique local (ULA) prefix.
    pub ipv6: bool,
    /// The subnets that the caller chose; may be empty.
    pub subnets: Vec<SubnetRequest>,
    /// The kind of bridge that carries the network; `None` for the default of the VCH's configuration.
    pub segment: Option<SegmentKind>,
    /// The MTU of the network's own bridge, of its endpoints' links and of their interfaces in the VMs, in bytes;
    /// `None` for the kernel's default.
    pub mtu: Option<Mtu>,
    /// How long DNS resolvers may cache answers about the network's names; `None` for the default of the VCH's
    /// configuration.
    pub dns_ttl: Option<DnsTtl>,
    /// Whether the network is isolated from the outside, as by `docker network create --internal`.
    pub internal: bool,
    /// The labels that the caller gave the network, as in Docker. The ledger stores them and does not read them.
    pub labels: BTreeMap<String, String>,
    /// The options of the network's bridge, such as masquerading.
    pub bridge: BridgeOptions,
    /// A text that the ledger stores with the network and does not read; see
    /// [`Network::document`](crate::Network::document).
    pub document: Arc<str>,
    /// The source of the network's configuration: this request, or another network. Also decides whether the new
    /// network is only for configuring others.
    pub configuration: Configuration,
}

/// The source of a new network's configuration. It also decides whether containers can be connected to the network.
/// Corresponds to `--config-only` and `--config-from` of `docker network create`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Configuration {
    /// The request contains the configuration. Containers can be connected to the network.
    #[default]
    Own,
    /// The request contains the configuration, for other networks to be created from. Containers can't be connected to
    /// the network (`--config-only`).
    ForOthers,
    /// The configuration is copied from this network, which was created with `ForOthers` (`--config-from`): subnets,
    /// labels, options, document, MTU, DNS TTL and segment.
    Of(NetworkRef),
}

impl CreateNetwork {
    /// Returns a request with this name and the defaults: one IPv4 subnet that the VCH chooses, no IPv6.
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

/// A subnet that the caller of [`Command::CreateNetwork`] chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetRequest {
    /// The subnet, without host bits.
    pub net: IpNet,
    /// The VCH's own address in the subnet, which is the containers' gateway; `None` for the first address that is not
    /// an auxiliary one.
    pub gateway: Option<IpAddr>,
    /// The part of the subnet from which the VCH chooses addresses for containers, as by Docker's `--ip-range`; `None`
    /// for the whole subnet.
    pub range: Option<IpNet>,
    /// Addresses that are never given to a container, as by Docker's `--aux-address`. The key is the name that the
    /// caller gave the address.
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

/// A request to add a container to the ledger. The container is stopped at first, and connected to no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddContainer {
    /// The container's name, unique on the VCH.
    pub name: ContainerName,
    /// The host name in the container's VM; `None` for the first 12 digits of the container's ID.
    pub hostname: Option<Hostname>,
    /// The DNS domain of the host name; `None` for a host name without domain.
    pub domain: Option<DomainName>,
    /// Kernel settings (sysctls) for the container's network; see [`Container::sysctls`](crate::Container::sysctls).
    pub sysctls: BTreeMap<String, String>,
    /// The channel by which the coordinator talks to the agent in the container's VM.
    pub channel: Channel,
    /// The container's own DNS resolver settings.
    pub dns: Dns,
    /// Lines to add to the container's `/etc/hosts`, beside the lines of its own host name.
    pub extra_hosts: Vec<HostEntry>,
    /// The ports that the container exposes and publishes.
    pub ports: Vec<ContainerPort>,
    /// Whether to publish all exposed ports too, at ports of the VCH that the ledger chooses (`docker run -P`).
    pub publish_all: bool,
}

/// A request to connect a container to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The container to connect.
    pub container: ContainerRef,
    /// The network to connect the container to.
    pub network: NetworkRef,
    /// The IP addresses that the caller chose: at most one IPv4 and one IPv6 address. The VCH chooses the address of a
    /// family that is left out.
    pub addresses: Vec<IpAddr>,
    /// The MAC address that the caller chose; `None` for one that the VCH derives from the endpoint's ID.
    pub mac: Option<MacAddress>,
    /// Further DNS names of the container on this network.
    pub aliases: Vec<Hostname>,
    /// The kind of link that attaches the container to the network: a tap, or a veth pair.
    pub attachment: Attachment,
    /// The property by which the agent in the VM recognises the NIC; `None` stands for its MAC address.
    pub nic: Option<NicMatch>,
    /// The interface's name in the VM; `None` for the first free one of `eth0`, `eth1` … (or with the network's own
    /// prefix in place of `eth`).
    pub interface: Option<InterfaceName>,
    /// Kernel settings (sysctls) of the interface; see [`Endpoint::sysctls`](crate::Endpoint::sysctls).
    pub sysctls: BTreeMap<String, String>,
    /// The priority of this network's gateway; 0 unless the caller chooses another. The container's default route leads
    /// to the gateway with the greatest priority; of equal ones, to that of a network with IPv4 and IPv6, then by
    /// network name.
    pub gateway_priority: i32,
    /// Private DNS names (Docker's links), each with the other container that it stands for. Only this container can
    /// resolve them, while the other one runs and is on the network too. A name of a container that does not exist yet
    /// is kept for it, but refused on the default bridge network.
    pub links: Vec<(ContainerRef, Hostname)>,
    /// Whether DNS answers for the container on this network only while its health check does not fail.
    pub only_healthy: bool,
    /// The limit of the traffic in each direction; `None` for no limit. See [`Endpoint::rate`](crate::Endpoint::rate).
    pub rate: Option<Rate>,
}

impl Connect {
    /// Returns a request to connect a container by a tap, with every other choice left to the VCH.
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

/// A decided command: the changes that the store writes to disk, and that the data plane (bridges, nftables, DNS,
/// agents) then carries out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The transaction's number: one more than that of the transaction before it.
    pub revision: Revision,
    /// The changed objects (rows). No row is listed twice.
    pub changes: Vec<Change>,
    /// The result for the command's caller.
    pub answer: Answer,
}

/// The result of a carried-out [`Command`], for its caller; one variant for each kind of result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The predefined networks exist, and the external networks agree with the configuration: the answer of
    /// [`Ledger::bootstrap`](crate::Ledger::bootstrap).
    Bootstrapped {
        /// The IDs of the networks that were created.
        networks: Vec<NetworkId>,
    },
    /// A network was created.
    NetworkCreated {
        /// The network's ID.
        network: NetworkId,
        /// The network's subnets: the requested ones, and those that the VCH chose.
        subnets: Vec<Subnet>,
    },
    /// A network was removed.
    NetworkRemoved {
        /// The removed network's ID.
        network: NetworkId,
    },
    /// The DNS TTL of a network was set.
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
        /// The endpoints (connections to networks) that were removed with the container.
        endpoints: Vec<EndpointId>,
    },
    /// A container was connected to a network: it has a new endpoint there.
    Connected {
        /// The new endpoint's ID.
        endpoint: EndpointId,
        /// The container's ID.
        container: ContainerId,
        /// The network's ID.
        network: NetworkId,
        /// The endpoint's IP addresses, each with its subnet's prefix length.
        addresses: Vec<IpNet>,
        /// The endpoint's MAC address.
        mac: MacAddress,
        /// The interface's name in the VM.
        interface: InterfaceName,
        /// The generation (version number) of the container's network specification that first contains the interface.
        generation: Generation,
    },
    /// A container was disconnected from a network: its endpoint there was removed.
    Disconnected {
        /// The removed endpoint's ID.
        endpoint: EndpointId,
        /// The container's ID.
        container: ContainerId,
        /// The network's ID.
        network: NetworkId,
        /// The generation (version number) of the container's network specification that first lacks the interface.
        generation: Generation,
    },
    /// A container is about to run: it has a new incarnation, and its names and ports are active.
    Started {
        /// The container's ID.
        container: ContainerId,
        /// The identity of this run of the container.
        incarnation: Incarnation,
        /// The generation (version number) of the first network specification for this run.
        generation: Generation,
    },
    /// A container was renamed.
    Renamed {
        /// The container's ID.
        container: ContainerId,
    },
    /// A container no longer runs: its names and ports are no longer active.
    Stopped {
        /// The container's ID.
        container: ContainerId,
    },
    /// Ports of a container were exposed or published.
    PortsPublished {
        /// The container's ID.
        container: ContainerId,
        /// The ports that were added. Ports that the container had already are left out.
        ports: Vec<ContainerPort>,
        /// The new bindings of the added ports: host ports that lead to the container. Empty while the container is
        /// stopped.
        bindings: Vec<PortBinding>,
    },
    /// Ports of a container are no longer exposed or published.
    PortsUnpublished {
        /// The container's ID.
        container: ContainerId,
    },
    /// A stopped container was disconnected from a network that no longer exists: the network had been removed while
    /// the container was stopped.
    Forgotten {
        /// The container's ID.
        container: ContainerId,
        /// The removed network's ID.
        network: NetworkId,
    },
    /// The result of a container's health check was stored.
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
    /// The rate limit of a container on a network was set.
    RateSet {
        /// The container's ID.
        container: ContainerId,
        /// The network's ID.
        network: NetworkId,
        /// The limit before this command; `None` for no limit.
        before: Option<Rate>,
    },
    /// The external networks now agree with the configuration.
    Configured {
        /// The IDs of the networks that were added.
        added: Vec<NetworkId>,
        /// The IDs of the networks that were changed.
        changed: Vec<NetworkId>,
        /// The IDs of the networks that were removed.
        removed: Vec<NetworkId>,
    },
    /// A document was stored with a container.
    Documented {
        /// The ID of the container that it belongs to.
        container: ContainerId,
    },
    /// The answers of a [`Command::Batch`], one for each command, in the commands' order.
    Batch(Vec<Answer>),
}
