//! The sets and maps of both tables: what the rules look things up in.

use vch_nftables::{DataType, Family, IpVersion, MapData, Name, Set, name};

/// A set or map that follows the ledger. The rules are constant and look their subjects up in
/// these, one element a subject, so that a change costs as much as its own size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NftSet {
    /// The links of bridge networks.
    Bridges,
    /// Each bridge's link paired with itself: packets that stay on their bridge.
    IntraBridge,
    /// Bridges, each paired with itself, whose containers reach each other by published ports only.
    Isolated,
    /// The bridges of internal networks, which lead nowhere else.
    Internal,
    /// The addresses of containers on internal networks that share their bridge with other
    /// networks.
    InternalAddresses(IpVersion),
    /// The addresses of containers that are not masqueraded.
    Untranslated(IpVersion),
    /// The links of external networks.
    External,
    /// The links of the management and docker endpoint networks.
    Private,
    /// The VCH's addresses on bridge networks.
    Gateways(IpVersion),
    /// The VCH's addresses on bridge networks, each with its own bridge: where a container may send
    /// DNS queries.
    AllowedGateways(IpVersion),
    /// The VCH's addresses on the external networks that are the default for published ports.
    Defaults(IpVersion),
    /// The VCH's addresses on bridge networks that are not internal: published ports answer there too.
    OpenGateways(IpVersion),
    /// The VCH's addresses on the management and docker endpoint networks: no port is published there.
    PrivateAddresses(IpVersion),
    /// The containers on external networks: link and address.
    Attached(IpVersion),
    /// The published ports, each with the address and port that it leads to.
    Published(Reach, IpVersion),
    /// The published ports for some clients only, each with the chain of its client list.
    Clients(Reach, IpVersion),
    /// The MAC address that each container's port sends from.
    Macs,
    /// The addresses that each container's port sends from: port, MAC address, address.
    Sources(IpVersion),
    /// The number of each port's network.
    Segments,
    /// The pairs of port and network number.
    Members,
    /// The ports of networks whose containers reach each other by published ports only.
    IccOff,
    /// The ports on the bridge of all shared networks.
    SharedPorts,
    /// The addresses of containers on shared networks.
    Shared(IpVersion),
    /// The ports on external networks whose level is not `open`.
    Restricted,
    /// The ports on external networks whose level is `closed`.
    Closed,
    /// The ports on external networks that the network's other containers may reach.
    PeersAllowed,
    /// The chain for each port on an external network that remembers flows which its container
    /// begins.
    Leaving,
    /// The chain for each port on an external network that lets answers of remembered flows in.
    Arriving,
    /// The opened ports of containers on external networks: link, protocol, port number.
    Opened,
}

/// The VCH's addresses at which a published port answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// One address.
    Address,
    /// The addresses on the external networks that are the default for published ports.
    Default,
    /// Every address.
    Any,
}

impl Reach {
    /// All values, the most specific first, which is the order in which the rules look them up.
    pub const ALL: [Self; 3] = [Self::Address, Self::Default, Self::Any];
}

/// Both versions of IP.
pub const VERSIONS: [IpVersion; 2] = [IpVersion::V4, IpVersion::V6];

/// Returns the nftables type of an address of this version.
pub fn address_type(version: IpVersion) -> DataType {
    match version {
        IpVersion::V4 => DataType::Ipv4,
        IpVersion::V6 => DataType::Ipv6,
    }
}

impl NftSet {
    /// Returns every set and map.
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

    /// Returns the family of the table that holds the set.
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

    /// Returns the set's name.
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

    /// Returns the set's or map's definition.
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
