//! The nftables sets and maps of both tables, in which the constant rules look objects up.

use vch_nftables::{DataType, Family, IpVersion, MapData, Name, Set, name};

/// An nftables set or map whose elements change with the ledger. The rules are constant and look packets up in these
/// sets, so that a change of the ledger costs in proportion to its own size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NftSet {
    /// The bridges of bridge networks.
    Bridges,
    /// Each bridge, paired with itself. Matches packets that come in and go out by the same bridge.
    IntraBridge,
    /// The bridges of networks whose containers reach each other only by published ports, each paired with itself.
    /// Matches packets that come in and go out by the same bridge.
    Isolated,
    /// The bridges of internal networks, from which no packet is forwarded elsewhere.
    Internal,
    /// The addresses of containers on internal networks whose bridge also carries other networks.
    InternalAddresses(IpVersion),
    /// The addresses of containers on networks without masquerading.
    Untranslated(IpVersion),
    /// The VCH's links to external networks.
    External,
    /// The VCH's links to the management network and to the network of the Docker endpoint.
    Private,
    /// The VCH's addresses on bridge networks, which are the containers' gateways.
    Gateways(IpVersion),
    /// The bridges, each with a gateway address on it: a container may send DNS queries to the gateways on its own
    /// bridge only.
    AllowedGateways(IpVersion),
    /// The VCH's addresses on the external networks that are a default for published ports.
    Defaults(IpVersion),
    /// The VCH's addresses on bridge networks that are not internal. Ports that are published without an address answer
    /// there too.
    OpenGateways(IpVersion),
    /// The VCH's addresses on the management network and at the Docker endpoint, at which no port is published.
    PrivateAddresses(IpVersion),
    /// The links of external networks, each with the address of a container that is connected by it.
    Attached(IpVersion),
    /// The published ports, each with the container's address and port to which packets are led.
    Published(Reach, IpVersion),
    /// The published ports that only some clients may use, each with the chain that checks the client.
    Clients(Reach, IpVersion),
    /// The port (link on the bridge) of each container, with the MAC address from which the container may send.
    Macs,
    /// The port (link on the bridge) of each container, with the MAC address and an IP address from which the container
    /// may send.
    Sources(IpVersion),
    /// The port (link on the bridge) of each container, with the number of the container's network. Frames from the
    /// port get the number as their mark.
    Segments,
    /// The port (link on the bridge) of each container, paired with the number of the container's network. Only frames
    /// with this number as their mark may go to the port.
    Members,
    /// The ports of containers on networks whose containers reach each other only by published ports.
    IccOff,
    /// The ports of containers on the bridge that all shared networks use.
    SharedPorts,
    /// The addresses of containers on shared networks.
    Shared(IpVersion),
    /// The ports of containers on external networks whose firewall level is not `open`.
    Restricted,
    /// The ports of containers on external networks whose firewall level is `closed`.
    Closed,
    /// The ports of containers on external networks that the network's other containers may reach (firewall level
    /// `peers`).
    PeersAllowed,
    /// The chains that remember the flows which a container on an external network begins, by the container's port.
    Leaving,
    /// The chains that let in the answers to remembered flows, by the container's port.
    Arriving,
    /// The opened ports of containers on external networks: the container's link on the bridge, transport protocol,
    /// port number.
    Opened,
}

/// The set of the VCH's addresses at which a published port answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// One address, which the request to publish named.
    Address,
    /// The default addresses, for a request without an address: those on external networks that are a default for
    /// published ports, IPv4 loopback, and gateways.
    Default,
    /// Every address of the VCH of one family, for a request that named `0.0.0.0` or `::`.
    Any,
}

impl Reach {
    /// All values. The rules look published ports up in this order, the most specific first.
    pub const ALL: [Self; 3] = [Self::Address, Self::Default, Self::Any];
}

/// Both versions of the Internet Protocol: IPv4 and IPv6.
pub const VERSIONS: [IpVersion; 2] = [IpVersion::V4, IpVersion::V6];

/// Returns the nftables data type of an address of this IP version.
pub fn address_type(version: IpVersion) -> DataType {
    match version {
        IpVersion::V4 => DataType::Ipv4,
        IpVersion::V6 => DataType::Ipv6,
    }
}

impl NftSet {
    /// Returns all sets and maps: one for each IP version, if both versions have one.
    pub fn all() -> impl Iterator<Item = Self> {
        let single = [
            Self::Bridges,
            Self::IntraBridge,
            Self::Isolated,
            Self::Internal,
            Self::External,
            Self::Private,
            Self::Macs,
            Self::Segments,
            Self::Members,
            Self::IccOff,
            Self::SharedPorts,
            Self::Restricted,
            Self::Closed,
            Self::PeersAllowed,
            Self::Leaving,
            Self::Arriving,
            Self::Opened,
        ];
        let paired = VERSIONS.into_iter().flat_map(|version| {
            let reaches = Reach::ALL.into_iter().flat_map(move |reach| {
                [
                    Self::Published(reach, version),
                    Self::Clients(reach, version),
                ]
            });
            [
                Self::InternalAddresses(version),
                Self::Untranslated(version),
                Self::Gateways(version),
                Self::AllowedGateways(version),
                Self::Defaults(version),
                Self::OpenGateways(version),
                Self::PrivateAddresses(version),
                Self::Attached(version),
                Self::Sources(version),
                Self::Shared(version),
            ]
            .into_iter()
            .chain(reaches)
        });
        single.into_iter().chain(paired)
    }

    /// Returns the family of the table that holds the set: `inet` or `bridge`.
    pub fn family(self) -> Family {
        match self {
            Self::Macs
            | Self::Sources(_)
            | Self::Segments
            | Self::Members
            | Self::IccOff
            | Self::SharedPorts
            | Self::Shared(_)
            | Self::Restricted
            | Self::Closed
            | Self::PeersAllowed
            | Self::Leaving
            | Self::Arriving
            | Self::Opened => Family::Bridge,
            _ => Family::Inet,
        }
    }

    /// Returns the set's name in its table.
    pub fn name(self) -> Name {
        use IpVersion::{V4, V6};
        match self {
            Self::Bridges => name!("bridges"),
            Self::IntraBridge => name!("intra_bridge"),
            Self::Isolated => name!("isolated"),
            Self::Internal => name!("internal"),
            Self::InternalAddresses(V4) => name!("internal_addresses4"),
            Self::InternalAddresses(V6) => name!("internal_addresses6"),
            Self::Untranslated(V4) => name!("untranslated4"),
            Self::Untranslated(V6) => name!("untranslated6"),
            Self::External => name!("external"),
            Self::Private => name!("private"),
            Self::Gateways(V4) => name!("gateways4"),
            Self::Gateways(V6) => name!("gateways6"),
            Self::AllowedGateways(V4) => name!("allowed_gateways4"),
            Self::AllowedGateways(V6) => name!("allowed_gateways6"),
            Self::Defaults(V4) => name!("default4"),
            Self::Defaults(V6) => name!("default6"),
            Self::OpenGateways(V4) => name!("open_gateways4"),
            Self::OpenGateways(V6) => name!("open_gateways6"),
            Self::PrivateAddresses(V4) => name!("private_addresses4"),
            Self::PrivateAddresses(V6) => name!("private_addresses6"),
            Self::Attached(V4) => name!("attached4"),
            Self::Attached(V6) => name!("attached6"),
            Self::Published(Reach::Address, V4) => name!("published4"),
            Self::Published(Reach::Address, V6) => name!("published6"),
            Self::Published(Reach::Default, V4) => name!("published_default4"),
            Self::Published(Reach::Default, V6) => name!("published_default6"),
            Self::Published(Reach::Any, V4) => name!("published_any4"),
            Self::Published(Reach::Any, V6) => name!("published_any6"),
            Self::Clients(Reach::Address, V4) => name!("clients4"),
            Self::Clients(Reach::Address, V6) => name!("clients6"),
            Self::Clients(Reach::Default, V4) => name!("clients_default4"),
            Self::Clients(Reach::Default, V6) => name!("clients_default6"),
            Self::Clients(Reach::Any, V4) => name!("clients_any4"),
            Self::Clients(Reach::Any, V6) => name!("clients_any6"),
            Self::Macs => name!("macs"),
            Self::Sources(V4) => name!("sources4"),
            Self::Sources(V6) => name!("sources6"),
            Self::Segments => name!("segments"),
            Self::Members => name!("members"),
            Self::IccOff => name!("icc_off"),
            Self::SharedPorts => name!("shared_ports"),
            Self::Shared(V4) => name!("shared4"),
            Self::Shared(V6) => name!("shared6"),
            Self::Restricted => name!("restricted"),
            Self::Closed => name!("closed"),
            Self::PeersAllowed => name!("peers_allowed"),
            Self::Leaving => name!("leaving_of"),
            Self::Arriving => name!("arriving_of"),
            Self::Opened => name!("opened"),
        }
    }

    /// Returns the definition by which the kernel makes the set or map: its name and the types of its elements.
    pub fn set(self) -> Set {
        use DataType::{Ether, Interface, Mark, Protocol, Service};
        let set = |key: &[DataType]| Set::new(self.name(), key);
        let published = |reach, version| match reach {
            Reach::Address => set(&[address_type(version), Protocol, Service]),
            Reach::Default | Reach::Any => set(&[Protocol, Service]),
        };
        match self {
            Self::Bridges
            | Self::Internal
            | Self::External
            | Self::Private
            | Self::IccOff
            | Self::SharedPorts
            | Self::Restricted
            | Self::Closed
            | Self::PeersAllowed => set(&[Interface]),
            Self::IntraBridge | Self::Isolated => set(&[Interface; 2]),
            Self::InternalAddresses(version)
            | Self::Untranslated(version)
            | Self::Gateways(version)
            | Self::Defaults(version)
            | Self::OpenGateways(version)
            | Self::PrivateAddresses(version)
            | Self::Shared(version) => set(&[address_type(version)]),
            Self::AllowedGateways(version) | Self::Attached(version) => {
                set(&[Interface, address_type(version)])
            }
            Self::Published(reach, version) => Set {
                data: Some(MapData::Values(vec![address_type(version), Service])),
                ..published(reach, version)
            },
            Self::Clients(reach, version) => Set {
                data: Some(MapData::Verdict),
                ..published(reach, version)
            },
            Self::Macs => set(&[Interface, Ether]),
            Self::Sources(version) => set(&[Interface, Ether, address_type(version)]),
            Self::Segments => Set::map(self.name(), [Interface], [Mark]),
            Self::Members => set(&[Interface, Mark]),
            Self::Leaving | Self::Arriving => Set::verdict_map(self.name(), [Interface]),
            Self::Opened => set(&[Interface, Protocol, Service]),
        }
    }
}
