//! The sets and maps of both tables: what the rules look things up in.

use vch_nftables::{DataType, Family, IpVersion, MapData, Name, Set, name};

/// One set or map that follows the ledger. The rules are constant; what they are about stands here,
/// an element a thing, so that a change costs as much as it is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NftSet {
    /// Links of bridge networks.
    Bridges,
    /// Each of them with itself: what stays on its bridge.
    IntraBridge,
    /// Bridges, each with itself, whose containers meet by published ports alone.
    Isolated,
    /// Bridges without a way out.
    Internal,
    /// Containers' addresses on networks without a way out that share their bridge with others.
    InternalAddresses(IpVersion),
    /// Containers' addresses that the outside sees as they are.
    Untranslated(IpVersion),
    /// Links that lead out.
    External,
    /// Links of the management and docker endpoint networks.
    Private,
    /// Addresses of the VCH on bridge networks.
    Gateways(IpVersion),
    /// Each of them with its own bridge: where a container may ask for names.
    AllowedGateways(IpVersion),
    /// Addresses of the VCH on the external networks that are the default for published ports.
    Defaults(IpVersion),
    /// Addresses of the VCH on bridge networks that have a way out: published ports answer there, too.
    OpenGateways(IpVersion),
    /// Addresses of the VCH on the management and docker endpoint networks: no port is published there.
    PrivateAddresses(IpVersion),
    /// Containers on external networks: link and address.
    Attached(IpVersion),
    /// Published ports: to where they lead.
    Published(Reach, IpVersion),
    /// Published ports for some clients only: which chain knows them.
    Clients(Reach, IpVersion),
    /// Which MAC address a container's port sends from.
    Macs,
    /// Which addresses it sends from: port, MAC address, address.
    Sources(IpVersion),
    /// The number of a port's network.
    Segments,
    /// Each port with its network's number.
    Members,
    /// Ports of networks whose containers meet by published ports alone.
    IccOff,
    /// Ports on the bridge of all shared networks.
    SharedPorts,
    /// Containers' addresses on shared networks.
    Shared(IpVersion),
    /// Ports of external networks whose level is not `open`.
    Restricted,
    /// Those among them that nothing passes.
    Closed,
    /// Those among them that other containers of the network reach.
    PeersAllowed,
    /// Where what a container on an external network begins is remembered: a chain for each port.
    Leaving,
    /// Where it is known again.
    Arriving,
    /// What is open: port of the bridge, protocol, port number.
    Opened,
}

/// At which of its addresses a published port is one of the VCH's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// At one.
    Address,
    /// At those on the external networks that are the default for published ports.
    Default,
    /// At every one.
    Any,
}

impl Reach {
    /// All, the most particular first: so packets meet them.
    pub const ALL: [Self; 3] = [Self::Address, Self::Default, Self::Any];
}

/// Both versions of IP.
pub const VERSIONS: [IpVersion; 2] = [IpVersion::V4, IpVersion::V6];

/// The type of such an address.
pub fn address_type(version: IpVersion) -> DataType {
    match version {
        IpVersion::V4 => DataType::Ipv4,
        IpVersion::V6 => DataType::Ipv6,
    }
}

impl NftSet {
    /// All of them.
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

    /// The family of the table that it is in.
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

    /// Its name.
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

    /// The set or map itself.
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
