//! What the rules are about: things of the ledger, and what the sets hold of each.

use super::clients::ClientList;
use super::remembered::Remembered;
use super::sets::{NftSet, Reach};
use protocol::spec::{FirewallLevel, InterfaceName, MacAddress};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use vch_ledger::desired::{DesiredEndpoint, NetworkBacking, Segment};
use vch_ledger::{NetworkId, PortBinding, PortNumber, Protocol};
use vch_nftables::{Datum, Element, InterfaceName as NftInterface, IpVersion, NameError, Verdict};

/// What the VCH's configuration says that no network does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatEnvironment {
    /// Links of the management and docker endpoint networks: never a way for containers.
    pub private: BTreeSet<InterfaceName>,
    /// The VCH's addresses there: no port is published at them.
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
    /// What carries the network.
    pub on: On,
}

/// What carries a port's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// A bridge of its own.
    Dedicated,
    /// The bridge of all shared networks.
    Shared,
    /// A link of the configuration.
    External {
        /// Its name.
        link: InterfaceName,
        /// What may pass.
        level: FirewallLevel,
        /// What is open there.
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

/// Something that the tables hold for a thing; several things may need the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// An element.
    Element(NftSet, Element),
    /// The chain of a list of clients.
    Clients(ClientList),
    /// What remembers the flows of a container on an external network.
    Remembered(Remembered),
}

impl Held {
    /// Whether several things may need the same: shared networks their bridge, external ones a link,
    /// bindings a list of clients.
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

    /// The flows that a port's container begins.
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
    /// What is held of the configuration.
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

/// What is held of a network.
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

/// What is held of a container's port on a network; `segment` is the network's number.
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

/// The address that a guest's kernel gives itself on a link (RFC 4291, appendix A): what Linux does
/// unless it is told otherwise (`addr_gen_mode` 0), which the agent does not.
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

/// A protocol as packets name it (`netinet/in.h`, `IPPROTO_*`).
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

/// At which address a binding's port is one of the VCH's.
pub fn reach(binding: &PortBinding) -> Reach {
    match binding.host.address {
        None => Reach::Default,
        Some(address) if address.is_unspecified() => Reach::Any,
        Some(_) => Reach::Address,
    }
}

/// What is held of a published port: one element for each version of IP that it has, and two if
/// only some clients may use it.
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

/// To which address each version of IP is led.
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
