//! The networks, ports and bindings that the rules are about, and the elements that each needs in
//! the sets.

use super::clients::ClientList;
use super::remembered::Remembered;
use super::sets::{NftSet, Reach};
use protocol::spec::{FirewallLevel, InterfaceName, MacAddress};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use vch_ledger::desired::{DesiredEndpoint, NetworkBacking, Segment};
use vch_ledger::{NetworkId, PortBinding, PortNumber, Protocol};
use vch_nftables::{Datum, Element, InterfaceName as NftInterface, IpVersion, NameError, Verdict};

/// The part of the VCH's configuration that the rules need and no network holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatEnvironment {
    /// The links of the management and docker endpoint networks: containers' packets never leave by
    /// them.
    pub private: BTreeSet<InterfaceName>,
    /// The VCH's addresses on the management and docker endpoint networks: no port is published at
    /// them.
    pub private_addresses: BTreeSet<IpAddr>,
}

/// A container's port on a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilteredPort {
    /// Its network.
    pub network: NetworkId,
    /// Its link on the VCH.
    pub name: InterfaceName,
    /// The container's MAC address.
    pub mac: MacAddress,
    /// The container's addresses.
    pub addresses: Vec<IpAddr>,
    /// The segment that carries the port's network.
    pub on: On,
}

/// The segment that carries a port's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// A bridge of the network's own.
    Dedicated,
    /// The bridge of all shared networks.
    Shared,
    /// A link of the configuration.
    External {
        /// The link's name.
        link: InterfaceName,
        /// The firewall level of the network.
        level: FirewallLevel,
        /// The port numbers that are open on the container.
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

/// An element, chain or set that the tables hold for a network, port or binding; several may need
/// the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// An element of a set.
    Element(NftSet, Element),
    /// The chain of a client list.
    Clients(ClientList),
    /// The sets and chains that remember the flows of a container on an external network.
    Remembered(Remembered),
}

impl Held {
    /// Returns whether several things may need the same: shared networks need one bridge, external networks one link,
    /// bindings one client list.
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
    /// Returns what the tables hold for the configuration.
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

/// Returns what the tables hold for a network.
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

/// Returns what the tables hold for a container's port; `segment` is the number of its network.
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

/// Returns the link-local address that a guest's kernel gives itself on a link (RFC 4291, appendix
/// A). Linux does so unless `addr_gen_mode` is set to another value than 0, which the agent does
/// not do.
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

/// Returns the number of a protocol in IP packets (`netinet/in.h`, `IPPROTO_*`).
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

/// Returns the addresses of the VCH at which a binding answers.
pub fn reach(binding: &PortBinding) -> Reach {
    match binding.host.address {
        None => Reach::Default,
        Some(address) if address.is_unspecified() => Reach::Any,
        Some(_) => Reach::Address,
    }
}

/// Returns what the tables hold for a binding: one element for each version of IP that it has, and
/// a second one if only some clients may use it.
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

/// Returns the address that each version of IP is led to.
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
