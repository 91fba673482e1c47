//! The networks, container ports and published ports that the rules apply to, and the set elements that each of them
//! needs.

use super::clients::ClientList;
use super::remembered::Remembered;
use super::sets::{NftSet, Reach};
use protocol::spec::{FirewallLevel, InterfaceName, MacAddress};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use vch_ledger::desired::{DesiredEndpoint, NetworkBacking, Segment};
use vch_ledger::{NetworkId, PortBinding, PortNumber, Protocol};
use vch_nftables::{Datum, Element, InterfaceName as NftInterface, IpVersion, NameError, Verdict};

/// The part of the VCH's configuration that the nftables rules need, and that no network of the ledger contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatEnvironment {
    /// The VCH's links to the management network and to the network of the Docker endpoint. Packets of containers never
    /// leave by them.
    pub private: BTreeSet<InterfaceName>,
    /// The VCH's addresses on the management network and at the Docker endpoint. No port is published at them.
    pub private_addresses: BTreeSet<IpAddr>,
}

/// A container's port: its link on a bridge, whose frames are filtered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilteredPort {
    /// The ID of the network that the port belongs to.
    pub network: NetworkId,
    /// The name of the link on the VCH.
    pub name: InterfaceName,
    /// The container's MAC address on this network.
    pub mac: MacAddress,
    /// The container's IP addresses on this network.
    pub addresses: Vec<IpAddr>,
    /// The kind of bridge or link that carries the network.
    pub on: On,
}

/// The kind of bridge or link that carries a port's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// A bridge for this network alone.
    Dedicated,
    /// The bridge that all shared networks use.
    Shared,
    /// The link of an external network, which the configuration names.
    External {
        /// The link's name.
        link: InterfaceName,
        /// The firewall level: which traffic may pass between the network and the container.
        level: FirewallLevel,
        /// The container's ports that clients on the network may reach.
        opened: Vec<PortNumber>,
    },
}

impl From<&DesiredEndpoint> for FilteredPort {
    fn from(endpoint: &DesiredEndpoint) -> Self {
        let on = match &endpoint.segment {
            Segment::Dedicated(_) => On::Dedicated,
            Segment::Shared(_) => On::Shared,
            Segment::External(external) => On::External {
                link: external.interface.clone(),
                level: endpoint.level.unwrap_or(external.level),
                opened: endpoint.opened.clone(),
            },
        };
        Self {
            network: endpoint.network,
            name: endpoint.port.clone(),
            mac: endpoint.mac,
            addresses: endpoint.addresses.clone(),
            on,
        }
    }
}

/// An element, chain or set that the nftables tables hold because a network, a container's port or a published port
/// needs it. Several of them may need the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// An element of a set that changes with the ledger.
    Element(NftSet, Element),
    /// The chain that checks the clients of published ports against one list.
    Clients(ClientList),
    /// The sets and chains that remember the flows of one container on an external network.
    Remembered(Remembered),
}

impl Held {
    /// Returns whether several objects may need the same piece: shared networks need the same bridge, external networks
    /// the same link, published ports the same list of clients.
    pub fn may_be_shared(&self) -> bool {
        match self {
            Self::Element(set, _) => matches!(
                set,
                NftSet::Bridges | NftSet::IntraBridge | NftSet::External | NftSet::Defaults(_)
            ),
            Self::Clients(_) => true,
            Self::Remembered(_) => false,
        }
    }
}

/// Collects what is held.
#[derive(Default)]
struct Holding(Vec<Held>);

impl Holding {
    fn add(&mut self, set: NftSet, key: impl Into<Vec<Datum>>) {
        self.0.push(Held::Element(set, Element::new(key)));
    }

    /// Adds the elements by which flows of a port's container are remembered.
    fn remember(&mut self, name: Datum, port: &InterfaceName) -> Result<(), NameError> {
        let remembered = Remembered::of(port);
        for (set, chain) in [
            (NftSet::Leaving, remembered.leaving()?),
            (NftSet::Arriving, remembered.arriving()?),
        ] {
            let element = Element::new([name]).to_verdict(chain);
            self.0.push(Held::Element(set, element));
        }
        self.0.push(Held::Remembered(remembered));
        Ok(())
    }
}

fn link(name: &InterfaceName) -> Result<Datum, NameError> {
    Ok(Datum::Interface(NftInterface::new(name.as_str())?))
}

impl NatEnvironment {
    /// Returns the elements that the nftables sets must contain whatever the ledger has: one for each interface and
    /// address in `self`.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn held(&self) -> Result<Vec<Held>, NameError> {
        let mut holding = Holding::default();
        for name in &self.private {
            holding.add(NftSet::Private, [link(name)?]);
        }
        for address in &self.private_addresses {
            holding.add(
                NftSet::PrivateAddresses(address.into()),
                [(*address).into()],
            );
        }
        Ok(holding.0)
    }
}

/// Returns the elements that the nftables sets must contain for a network.
///
/// # Errors
/// Returns [`NameError`] if a name is too long for nf_tables.
pub fn of_network(network: &NetworkBacking) -> Result<Vec<Held>, NameError> {
    let mut holding = Holding::default();
    let addresses = network.addresses.iter().map(ipnet::IpNet::addr);
    let (bridge, own) = match &network.segment {
        Segment::Dedicated(name) => (link(name)?, true),
        Segment::Shared(name) => (link(name)?, false),
        Segment::External(external) => {
            holding.add(NftSet::External, [link(&external.interface)?]);
            for address in addresses.filter(|_| external.published) {
                holding.add(NftSet::Defaults((&address).into()), [address.into()]);
            }
            return Ok(holding.0);
        }
    };
    holding.add(NftSet::Bridges, [bridge]);
    holding.add(NftSet::IntraBridge, [bridge, bridge]);
    if network.internal && own {
        holding.add(NftSet::Internal, [bridge]);
    }
    // Shared networks have no way from one container to another by the VCH.
    if network.isolated && own {
        holding.add(NftSet::Isolated, [bridge, bridge]);
    }
    for address in addresses {
        let version = (&address).into();
        holding.add(NftSet::Gateways(version), [address.into()]);
        if !network.internal {
            holding.add(NftSet::OpenGateways(version), [address.into()]);
        }
        holding.add(NftSet::AllowedGateways(version), [bridge, address.into()]);
    }
    Ok(holding.0)
}

/// Returns the elements, chains and sets that the nftables tables must hold for a container's port. `segment` is the
/// number by which frames of its network are marked. `network` is the port's network, if it is known.
///
/// # Errors
/// Returns [`NameError`] if a name is too long for nf_tables.
pub fn of_port(
    port: &FilteredPort,
    segment: u32,
    network: Option<&NetworkBacking>,
) -> Result<Vec<Held>, NameError> {
    let mut holding = Holding::default();
    let name = link(&port.name)?;
    let mac = Datum::Ether(port.mac.octets());
    holding.add(NftSet::Macs, [name, mac]);
    let local = IpAddr::V6(link_local(port.mac));
    for address in port.addresses.iter().chain([&local]) {
        let key = [name, mac, (*address).into()];
        holding.add(NftSet::Sources(address.into()), key);
    }
    let number = Datum::Mark(segment);
    let segment = Element::new([name]).to_values([number]);
    holding.0.push(Held::Element(NftSet::Segments, segment));
    holding.add(NftSet::Members, [name, number]);
    if network.is_some_and(|network| network.isolated) {
        holding.add(NftSet::IccOff, [name]);
    }
    if network.is_some_and(|network| network.untranslated) {
        for address in &port.addresses {
            holding.add(NftSet::Untranslated(address.into()), [(*address).into()]);
        }
    }
    match &port.on {
        On::Dedicated => {}
        On::Shared => {
            holding.add(NftSet::SharedPorts, [name]);
            for address in &port.addresses {
                let version = address.into();
                holding.add(NftSet::Shared(version), [(*address).into()]);
                if network.is_some_and(|network| network.internal) {
                    holding.add(NftSet::InternalAddresses(version), [(*address).into()]);
                }
            }
        }
        On::External {
            link: outside,
            level,
            opened,
        } => {
            for address in &port.addresses {
                let key = [link(outside)?, (*address).into()];
                holding.add(NftSet::Attached(address.into()), key);
            }
            level_of(&mut holding, name, *level, opened);
            if !matches!(level, FirewallLevel::Open | FirewallLevel::Closed) {
                holding.remember(name, &port.name)?;
            }
        }
    }
    Ok(holding.0)
}

fn level_of(holding: &mut Holding, name: Datum, level: FirewallLevel, opened: &[PortNumber]) {
    if level != FirewallLevel::Open {
        holding.add(NftSet::Restricted, [name]);
    }
    match level {
        FirewallLevel::Open | FirewallLevel::Outbound => {}
        FirewallLevel::Closed => holding.add(NftSet::Closed, [name]),
        FirewallLevel::Peers => holding.add(NftSet::PeersAllowed, [name]),
        FirewallLevel::Published => {
            for port in opened {
                let number = Datum::Service(port.port);
                holding.add(NftSet::Opened, [name, protocol(port.protocol), number]);
            }
        }
    }
}

/// Returns the IPv6 link-local address that a guest's kernel derives from this MAC address (RFC 4291, appendix A).
/// Linux does so unless `addr_gen_mode` is set to another value than 0, which the agent does not do.
pub fn link_local(mac: MacAddress) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.octets();
    Ipv6Addr::from([
        0xfe,
        0x80,
        0,
        0,
        0,
        0,
        0,
        0,
        a ^ 2,
        b,
        c,
        0xff,
        0xfe,
        d,
        e,
        f,
    ])
}

/// Returns the number of a transport protocol in IP packets (`IPPROTO_*` of netinet/in.h).
pub fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

fn protocol(protocol: Protocol) -> Datum {
    Datum::Protocol(protocol_number(protocol))
}

/// Returns the set of the VCH's addresses at which a published port answers.
pub fn reach(binding: &PortBinding) -> Reach {
    match binding.host.address {
        None => Reach::Default,
        Some(address) if address.is_unspecified() => Reach::Any,
        Some(_) => Reach::Address,
    }
}

/// Returns the elements and chains that the nftables tables must hold for a published port: one element for each IP
/// version, and a second one if only some clients may use the port.
///
/// # Errors
/// Returns [`NameError`] if a name is too long for nf_tables.
pub fn of_binding(binding: &PortBinding) -> Result<Vec<Held>, NameError> {
    let mut held = Vec::new();
    let clients = (!binding.clients.is_empty()).then(|| ClientList::new(&binding.clients));
    for (version, target) in targets(binding) {
        let reach = reach(binding);
        let mut key = Vec::new();
        if let (Reach::Address, Some(address)) = (reach, binding.host.address) {
            key.push(address.into());
        }
        key.push(protocol(binding.host.protocol));
        key.push(Datum::Service(binding.host.port));
        let element = Element::new(key);
        if let Some(list) = &clients {
            let chain = Verdict::Jump(list.chain()?);
            let element = element.clone().to_verdict(chain);
            held.push(Held::Element(NftSet::Clients(reach, version), element));
        }
        let port = Datum::Service(binding.container_port);
        let element = element.to_values([target.into(), port]);
        held.push(Held::Element(NftSet::Published(reach, version), element));
    }
    if !held.is_empty() {
        held.extend(clients.map(Held::Clients));
    }
    Ok(held)
}

/// Returns the container's address to which packets are led, for each IP version that the published port has.
pub fn targets(binding: &PortBinding) -> impl Iterator<Item = (IpVersion, IpAddr)> {
    let first = |v4: bool| {
        let fits = binding.host.address.is_none_or(|host| host.is_ipv4() == v4);
        let mut targets = binding.target.iter().copied();
        targets.find(|target| fits && target.is_ipv4() == v4)
    };
    [first(true), first(false)]
        .into_iter()
        .flatten()
        .map(|target| ((&target).into(), target))
}
