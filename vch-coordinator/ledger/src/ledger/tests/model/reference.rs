//! The model: maps and lists, no thought of cost.

use super::{
    op::{ALIASES, CONTAINERS, NETS, NETWORKS, OUTSIDE, Op, configurations, meets, nth, route},
    ports::Bound,
};
use crate::{Answer, Ledger};
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
};

/// How many addresses of a subnet rest: fewer than a /29 has.
pub(super) const RESTING: usize = 3;

#[derive(Default)]
pub(super) struct ModelNetwork {
    pub(super) net: Option<IpNet>,
    /// Whether the VCH has an address beside the gateway's.
    pub(super) outside: bool,
    pub(super) taken: BTreeMap<IpAddr, usize>,
    pub(super) resting: VecDeque<IpAddr>,
}

impl ModelNetwork {
    fn kept(&self) -> usize {
        if self.outside { 2 } else { 1 }
    }

    pub(super) fn hosts(&self) -> Vec<IpAddr> {
        let nets = self.net.iter();
        nets.flat_map(|net| net.hosts().skip(self.kept())).collect()
    }

    fn release(&mut self, address: IpAddr) {
        self.taken.remove(&address);
        self.resting.push_back(address);
        if self.resting.len() > RESTING {
            self.resting.pop_front();
        }
    }

    pub(super) fn of(&self, container: usize) -> Option<IpAddr> {
        let mut taken = self.taken.iter();
        taken
            .find(|(_, holder)| **holder == container)
            .map(|(address, _)| *address)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct ModelContainer {
    pub(super) cid: u32,
    pub(super) runs: bool,
    pub(super) unhealthy: bool,
    pub(super) ports: BTreeSet<usize>,
    /// The port that the VCH chose last for a wish.
    pub(super) chosen: BTreeMap<usize, u16>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ModelPlace {
    pub(super) mac: Option<u8>,
    pub(super) alias: Option<usize>,
    pub(super) link: Option<usize>,
    pub(super) only_healthy: bool,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) networks: BTreeMap<usize, ModelNetwork>,
    pub(super) containers: BTreeMap<usize, ModelContainer>,
    pub(super) places: BTreeMap<(usize, usize), ModelPlace>,
    /// What is in force, by container and wish.
    pub(super) bound: BTreeMap<(usize, usize), Bound>,
    pub(super) configuration: usize,
    pub(super) route: bool,
    /// How often an address that rested was handed out.
    pub(super) reused: u32,
}

impl Model {
    /// The code of the refusal, in the order in which the ledger looks.
    pub(super) fn verdict(&self, op: &Op) -> Option<&'static str> {
        match op {
            Op::CreateNetwork { name, net } => self.create_verdict(*name, *net),
            Op::RemoveNetwork(name) => match self.networks.get(name) {
                None => Some("network-not-found"),
                Some(network) if *name < 2 || network.outside => Some("network-predefined"),
                Some(network) if !network.taken.is_empty() => Some("network-in-use"),
                Some(_) => None,
            },
            Op::AddContainer { name, cid } => {
                if self.containers.contains_key(name) {
                    return Some("container-name-taken");
                }
                if *cid < 3 {
                    return Some("cid-reserved");
                }
                let taken = self.containers.values().any(|other| other.cid == *cid);
                taken.then_some("channel-taken")
            }
            Op::RemoveContainer { name, force } => self.missing(*name).or_else(|| {
                let connected = self.networks.values().any(|n| n.of(*name).is_some());
                (connected && !force).then_some("container-connected")
            }),
            Op::Connect { .. } => self.connect_verdict(op),
            Op::Disconnect { container, network }
            | Op::Alias {
                container, network, ..
            } => self
                .missing(*container)
                .or_else(|| match self.networks.get(network) {
                    None => Some("network-not-found"),
                    Some(n) if n.of(*container).is_none() => Some("not-connected"),
                    Some(_) => None,
                }),
            Op::Start(name) => self.missing(*name).or_else(|| {
                let mut after = self.only_ports();
                after.containers.get_mut(name).unwrap().runs = true;
                after.in_force(*name, false).err()
            }),
            Op::Stop(name)
            | Op::Health {
                container: name, ..
            } => self.missing(*name),
            Op::Publish { container, ports } => self.missing(*container).or_else(|| {
                let mut after = self.only_ports();
                let row = after.containers.get_mut(container).unwrap();
                let new = ports.iter().filter(|port| !row.ports.contains(port));
                let added: Vec<usize> = new.copied().collect();
                row.ports.extend(ports);
                let all: Vec<usize> = row.ports.iter().copied().collect();
                if after.twice(&all) {
                    return Some("port-twice");
                }
                if after.outside_only(*container, &added, None) {
                    return Some("port-on-external");
                }
                after.in_force(*container, false).err()
            }),
            Op::Unpublish { container, ports } => self.missing(*container).or_else(|| {
                let had = &self.containers[container].ports;
                let all = ports.iter().all(|port| had.contains(port));
                (!all).then_some("port-not-published")
            }),
            Op::Configure(n) => self.configure_verdict(*n),
            Op::Rename { from, to } => self.missing(*from).or_else(|| {
                self.containers
                    .contains_key(to)
                    .then_some("container-name-taken")
            }),
            Op::Route(_) | Op::Undo | Op::Reload => None,
        }
    }

    /// A copy of what ports depend on.
    fn only_ports(&self) -> Self {
        let networks = self.networks.iter().map(|(n, network)| {
            let copy = ModelNetwork {
                outside: network.outside,
                taken: network.taken.clone(),
                ..ModelNetwork::default()
            };
            (*n, copy)
        });
        Self {
            networks: networks.collect(),
            containers: self.containers.clone(),
            bound: self.bound.clone(),
            configuration: self.configuration,
            ..Self::default()
        }
    }

    fn missing(&self, container: usize) -> Option<&'static str> {
        (!self.containers.contains_key(&container)).then_some("container-not-found")
    }

    fn create_verdict(&self, name: usize, net: usize) -> Option<&'static str> {
        let configured = configurations()[self.configuration].clone();
        let outside = configured
            .iter()
            .any(|one| one.name.as_str() == NETWORKS[name]);
        if name < 2 || outside {
            return Some("network-name-predefined");
        }
        if self.networks.contains_key(&name) {
            return Some("network-exists");
        }
        let net: IpNet = NETS[net].parse().unwrap();
        let mut others = self.networks.values().filter_map(|network| network.net);
        if others.any(|other| meets(&other, &net)) {
            return Some("subnet-overlap");
        }
        (self.route && meets(&route(), &net)).then_some("route-overlap")
    }

    fn configure_verdict(&self, n: usize) -> Option<&'static str> {
        let wanted = configurations()[n].clone();
        let index = |name: &str| NETWORKS.iter().position(|other| *other == name).unwrap();
        let nets: BTreeMap<usize, IpNet> = wanted
            .iter()
            .map(|one| (index(one.name.as_str()), one.subnets[0].net))
            .collect();
        if nets
            .keys()
            .any(|n| self.networks.get(n).is_some_and(|there| !there.outside))
        {
            return Some("network-exists");
        }
        let bridges = self.networks.iter();
        let mut others = bridges.filter(|(n, network)| {
            // Those that go are in nobody's way.
            !network.outside || nets.contains_key(n)
        });
        let overlap = others.any(|(n, network)| {
            let mut nets = nets.iter().filter(|(own, _)| *own != n);
            network
                .net
                .is_some_and(|old| nets.any(|(_, net)| meets(net, &old)))
        });
        if overlap {
            return Some("subnet-overlap");
        }
        let after = Self {
            configuration: n,
            ..self.only_ports()
        };
        let meet = self.bound.iter().any(|((_, one), bound)| {
            let one = super::op::wish(one);
            one.publish.as_ref().unwrap().address.is_none()
                && self.bound.iter().any(|((_, other), there)| {
                    let other = super::op::wish(other);
                    let address = other.publish.unwrap().address;
                    address.is_some()
                        && (one.number.protocol, bound.port) == (other.number.protocol, there.port)
                        && after.same(None, address)
                })
        });
        if meet {
            return Some("port-taken");
        }
        let outside = self.networks.iter().filter(|(_, network)| network.outside);
        let (stay, go): (Vec<_>, Vec<_>) = outside.partition(|(n, _)| nets.contains_key(n));
        if go.iter().any(|(_, network)| !network.taken.is_empty()) {
            return Some("external-in-use");
        }
        let orphan = stay.iter().any(|(n, network)| {
            let hosts: Vec<IpAddr> = nets[n].hosts().skip(2).collect();
            network.taken.keys().any(|address| !hosts.contains(address))
        });
        orphan.then_some("external-orphans")
    }

    fn connect_verdict(&self, op: &Op) -> Option<&'static str> {
        let Op::Connect {
            container,
            network,
            host,
            mac,
            link,
            ..
        } = op
        else {
            return None;
        };
        if let Some(missing) = self.missing(*container) {
            return Some(missing);
        }
        let Some(place) = self.networks.get(network) else {
            return Some("network-not-found");
        };
        if *network == 0 {
            return Some("no-endpoints-on-none");
        }
        if place.of(*container).is_some() {
            return Some("already-connected");
        }
        if let Some(code) = address_verdict(place, *network, *host) {
            return Some(code);
        }
        let mut others = self.places.values();
        if mac.is_some() && others.any(|other| other.mac == *mac) {
            return Some("mac-taken");
        }
        if link.is_some_and(|to| !self.containers.contains_key(&to)) {
            return Some("container-not-found");
        }
        let ports: Vec<usize> = self.containers[container].ports.iter().copied().collect();
        if self.outside_only(*container, &ports, Some(*network)) {
            return Some("port-on-external");
        }
        let mut after = self.only_ports();
        let taken = &mut after.networks.get_mut(network).unwrap().taken;
        taken.insert(IpAddr::from([0, 0, 0, 0]), *container);
        after.in_force(*container, false).err()
    }

    /// What a command that is possible does.
    pub(super) fn follow(&mut self, op: &Op, answer: &Answer, ledger: &Ledger) {
        match op {
            Op::CreateNetwork { name, .. } => {
                let Answer::NetworkCreated { subnets, .. } = answer else {
                    panic!("{answer:?}");
                };
                let network = ModelNetwork {
                    net: Some(subnets[0].net),
                    ..Default::default()
                };
                self.networks.insert(*name, network);
            }
            Op::RemoveNetwork(name) => {
                self.networks.remove(name);
            }
            Op::AddContainer { name, cid } => {
                let container = ModelContainer {
                    cid: *cid,
                    ..Default::default()
                };
                self.containers.insert(*name, container);
            }
            Op::RemoveContainer { name, .. } => self.remove(*name),
            Op::Connect { .. } => self.connect(op, answer, ledger),
            Op::Disconnect { container, network } => {
                self.leave(*container, *network);
                self.settle(*container, true, ledger);
            }
            Op::Start(name) => {
                let container = self.containers.get_mut(name).unwrap();
                (container.runs, container.unhealthy) = (true, false);
                self.settle(*name, false, ledger);
            }
            Op::Stop(name) => {
                self.containers.get_mut(name).unwrap().runs = false;
                self.settle(*name, true, ledger);
            }
            Op::Publish { container, ports } => {
                let row = self.containers.get_mut(container).unwrap();
                row.ports.extend(ports);
                self.settle(*container, false, ledger);
            }
            Op::Unpublish { container, ports } => {
                let row = self.containers.get_mut(container).unwrap();
                row.ports.retain(|port| !ports.contains(port));
                row.chosen.retain(|port, _| !ports.contains(port));
                self.settle(*container, true, ledger);
            }
            Op::Health {
                container,
                unhealthy,
            } => self.containers.get_mut(container).unwrap().unhealthy = *unhealthy,
            Op::Alias {
                container,
                network,
                alias,
            } => {
                let place = self.places.get_mut(&(*container, *network)).unwrap();
                place.alias = Some(*alias);
            }
            Op::Configure(n) => self.configure(*n),
            Op::Rename { from, to } => self.rename(*from, *to),
            Op::Route(_) | Op::Undo | Op::Reload => {}
        }
    }

    fn connect(&mut self, op: &Op, answer: &Answer, ledger: &Ledger) {
        let (
            Op::Connect {
                container,
                network,
                host,
                mac,
                link,
                only_healthy,
            },
            Answer::Connected { addresses, .. },
        ) = (op, answer)
        else {
            panic!("{answer:?}");
        };
        let place = self.networks.get_mut(network).unwrap();
        let address = addresses[0].addr();
        match host {
            Some(host) => assert_eq!(address, nth(place.net, *host)),
            None => check_automatic(place, address),
        }
        self.reused += u32::from(place.resting.contains(&address));
        place.resting.retain(|resting| *resting != address);
        place.taken.insert(address, *container);
        let place = ModelPlace {
            mac: *mac,
            alias: None,
            link: *link,
            only_healthy: *only_healthy,
        };
        self.places.insert((*container, *network), place);
        self.settle(*container, false, ledger);
    }

    /// What is in force of a container from now on; where the VCH chooses a port, the ledger's word
    /// is taken for it, if it is one that could be chosen.
    fn settle(&mut self, container: usize, skip: bool, ledger: &Ledger) {
        let mut bound = self.in_force(container, skip).unwrap();
        self.bound.retain(|(other, _), _| *other != container);
        for (n, one) in &mut bound {
            if super::op::wish(n).publish.unwrap().port.is_none() {
                if one.port == 0 {
                    one.port = super::chosen(ledger, container);
                    assert!(super::op::EPHEMERAL.contains(&one.port));
                    let mut others = self.bound.values();
                    assert!(others.all(|other| other.port != one.port));
                }
                let row = self.containers.get_mut(&container).unwrap();
                row.chosen.insert(*n, one.port);
            }
        }
        let bound = bound.into_iter().map(|(n, one)| ((container, n), one));
        self.bound.extend(bound);
    }

    fn configure(&mut self, n: usize) {
        self.configuration = n;
        let wanted = configurations()[n].clone();
        let there = |network: usize| {
            let mut wanted = wanted.iter();
            wanted.find(|one| one.name.as_str() == NETWORKS[network])
        };
        for network in OUTSIDE..NETWORKS.len() {
            let Some(one) = there(network) else {
                if self.networks.get(&network).is_some_and(|old| old.outside) {
                    self.networks.remove(&network);
                }
                continue;
            };
            let place = self.networks.entry(network).or_default();
            (place.net, place.outside) = (Some(one.subnets[0].net), true);
            let hosts = place.hosts();
            place.resting.retain(|address| hosts.contains(address));
        }
    }

    fn remove(&mut self, name: usize) {
        self.containers.remove(&name);
        let networks: Vec<usize> = self.networks.keys().copied().collect();
        networks
            .into_iter()
            .for_each(|network| self.leave(name, network));
        self.bound.retain(|(container, _), _| *container != name);
        for place in self.places.values_mut() {
            place.link = place.link.filter(|to| *to != name);
        }
    }

    fn leave(&mut self, container: usize, network: usize) {
        let place = self.networks.get_mut(&network).unwrap();
        if let Some(address) = place.of(container) {
            place.release(address);
        }
        self.places.remove(&(container, network));
    }

    fn rename(&mut self, from: usize, to: usize) {
        let state = self.containers.remove(&from).unwrap();
        self.containers.insert(to, state);
        let moved = |one: usize| if one == from { to } else { one };
        for place in self.networks.values_mut() {
            place
                .taken
                .values_mut()
                .for_each(|holder| *holder = moved(*holder));
        }
        let places = std::mem::take(&mut self.places).into_iter();
        let places = places.map(|((container, network), mut place)| {
            place.link = place.link.map(moved);
            ((moved(container), network), place)
        });
        self.places = places.collect();
        let bound = std::mem::take(&mut self.bound).into_iter();
        self.bound = bound
            .map(|((container, n), one)| ((moved(container), n), one))
            .collect();
    }

    /// The names that an endpoint must have beside its container's short id.
    pub(super) fn names(&self, container: usize, network: usize) -> BTreeSet<String> {
        let state = &self.containers[&container];
        let place = &self.places[&(container, network)];
        let mut names = BTreeSet::new();
        if state.runs && !(place.only_healthy && state.unhealthy) {
            names.insert(CONTAINERS[container].to_owned());
            names.insert(format!("{}.{}", CONTAINERS[container], NETWORKS[network]));
            names.extend(place.alias.map(|alias| ALIASES[alias].to_owned()));
        }
        names
    }
}

fn address_verdict(place: &ModelNetwork, network: usize, host: Option<u8>) -> Option<&'static str> {
    let Some(host) = host else {
        let full = place.taken.len() == place.hosts().len();
        return full.then_some("addresses-exhausted");
    };
    if network == 1 {
        return Some("address-on-default-bridge");
    }
    let address = nth(place.net, host);
    let net = place.net.unwrap();
    if !net.contains(&address) {
        return Some("address-outside");
    }
    if address == net.network() || address == net.broadcast() {
        return Some("not-a-host");
    }
    if net.hosts().take(place.kept()).any(|kept| kept == address) {
        return Some("address-reserved");
    }
    place
        .taken
        .contains_key(&address)
        .then_some("address-in-use")
}

/// An automatic address is a host's and nobody's; it rests only if all that are free do, and then it
/// has rested longest.
fn check_automatic(place: &ModelNetwork, address: IpAddr) {
    let net = place.net.unwrap();
    if net.prefix_len() == 16 {
        assert!(net.contains(&address) && !place.taken.contains_key(&address));
        assert!(!place.resting.contains(&address));
        return;
    }
    let free: BTreeSet<IpAddr> = place.hosts().into_iter().collect();
    assert!(free.contains(&address), "{address} is no host of {net}");
    let mut free = free.iter().filter(|host| !place.taken.contains_key(host));
    if free.clone().all(|host| place.resting.contains(host)) {
        assert_eq!(
            place.resting.front(),
            Some(&address),
            "the one that rested longest"
        );
    } else {
        assert!(!place.resting.contains(&address), "{address} still rests");
        assert!(free.any(|host| *host == address), "{address} is taken");
    }
}
