//! The model: maps and lists, without regard to cost.

use super::{
    op::{ALIASES, CONTAINERS, EPHEMERAL, NETWORKS, OUTSIDE, Op, configurations, nth, request},
    ports::Bound,
};
use crate::{Answer, Ledger};
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
};

/// The number of a subnet's addresses that rest: fewer than a /29 has.
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
    pub(super) fn kept(&self) -> usize {
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
    /// The port that the VCH chose last for a request.
    pub(super) chosen: BTreeMap<usize, u16>,
    /// Networks that were removed while it was stopped.
    pub(super) missing: BTreeSet<usize>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ModelEndpoint {
    pub(super) mac: Option<u8>,
    pub(super) alias: Option<usize>,
    pub(super) link: Option<usize>,
    pub(super) only_healthy: bool,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) networks: BTreeMap<usize, ModelNetwork>,
    pub(super) containers: BTreeMap<usize, ModelContainer>,
    pub(super) endpoints: BTreeMap<(usize, usize), ModelEndpoint>,
    /// The bindings in force, by container and request.
    pub(super) bound: BTreeMap<(usize, usize), Bound>,
    pub(super) configuration: usize,
    pub(super) route: bool,
    /// How often a resting address was given out.
    pub(super) reused: u32,
}

impl Model {
    /// Applies an operation that is possible.
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
                let gone = |(_, network): &&(usize, usize)| network == name;
                let gone: Vec<_> = self.endpoints.keys().filter(gone).copied().collect();
                for endpoint in gone {
                    self.endpoints.remove(&endpoint);
                    let container = self.containers.get_mut(&endpoint.0).unwrap();
                    container.missing.insert(*name);
                }
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
                if self.is_on(*container, *network) {
                    self.leave(*container, *network);
                    self.settle(*container, true, ledger);
                } else {
                    let container = self.containers.get_mut(container).unwrap();
                    container.missing.remove(network);
                }
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
                let endpoint = self.endpoints.get_mut(&(*container, *network)).unwrap();
                endpoint.alias = Some(*alias);
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
        let known = self.networks.get_mut(network).unwrap();
        let address = addresses[0].addr();
        match host {
            Some(host) => assert_eq!(address, nth(known.net, *host)),
            None => check_automatic(known, address),
        }
        self.reused += u32::from(known.resting.contains(&address));
        known.resting.retain(|resting| *resting != address);
        known.taken.insert(address, *container);
        let endpoint = ModelEndpoint {
            mac: *mac,
            alias: None,
            link: *link,
            only_healthy: *only_healthy,
        };
        self.endpoints.insert((*container, *network), endpoint);
        let row = self.containers.get_mut(container).unwrap();
        row.missing.remove(network);
        self.settle(*container, false, ledger);
    }

    pub(super) fn is_on(&self, container: usize, network: usize) -> bool {
        let network = self.networks.get(&network);
        network.is_some_and(|network| network.of(container).is_some())
    }

    /// Returns whether a running container is on a network.
    pub(super) fn is_active(&self, network: &ModelNetwork) -> bool {
        network.taken.values().any(|one| self.containers[one].runs)
    }

    /// Computes what is in force of a container from now on; takes the ledger's choice of a port,
    /// if it could be chosen.
    fn settle(&mut self, container: usize, skip: bool, ledger: &Ledger) {
        let mut bound = self.in_force(container, skip).unwrap();
        self.bound.retain(|(other, _), _| *other != container);
        for (n, one) in &mut bound {
            if request(n).publish.unwrap().port.is_none() {
                if one.port == 0 {
                    one.port = super::chosen(ledger, container);
                    assert!(EPHEMERAL.contains(&one.port));
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
            let known = self.networks.entry(network).or_default();
            (known.net, known.outside) = (Some(one.subnets[0].net), true);
            let hosts = known.hosts();
            known.resting.retain(|address| hosts.contains(address));
        }
    }

    fn remove(&mut self, name: usize) {
        self.containers.remove(&name);
        let networks: Vec<usize> = self.networks.keys().copied().collect();
        networks
            .into_iter()
            .for_each(|network| self.leave(name, network));
        self.bound.retain(|(container, _), _| *container != name);
        for ((_, network), endpoint) in &mut self.endpoints {
            // On another network than the default bridge the next one of the name is awaited.
            endpoint.link = endpoint.link.filter(|to| *network != 1 || *to != name);
        }
    }

    fn leave(&mut self, container: usize, network: usize) {
        let known = self.networks.get_mut(&network).unwrap();
        if let Some(address) = known.of(container) {
            known.release(address);
        }
        self.endpoints.remove(&(container, network));
    }

    fn rename(&mut self, from: usize, to: usize) {
        let state = self.containers.remove(&from).unwrap();
        self.containers.insert(to, state);
        let moved = |one: usize| if one == from { to } else { one };
        for known in self.networks.values_mut() {
            known
                .taken
                .values_mut()
                .for_each(|holder| *holder = moved(*holder));
        }
        let endpoints = std::mem::take(&mut self.endpoints).into_iter();
        let endpoints = endpoints.map(|((container, network), mut endpoint)| {
            endpoint.link = endpoint.link.map(moved);
            ((moved(container), network), endpoint)
        });
        self.endpoints = endpoints.collect();
        let bound = std::mem::take(&mut self.bound).into_iter();
        self.bound = bound
            .map(|((container, n), one)| ((moved(container), n), one))
            .collect();
    }

    /// Returns the names that an endpoint must have beside its container's short ID.
    pub(super) fn names(&self, container: usize, network: usize) -> BTreeSet<String> {
        let state = &self.containers[&container];
        let endpoint = &self.endpoints[&(container, network)];
        let mut names = BTreeSet::new();
        if state.runs && !(endpoint.only_healthy && state.unhealthy) {
            names.insert(CONTAINERS[container].to_owned());
            names.insert(format!("{}.{}", CONTAINERS[container], NETWORKS[network]));
            names.extend(endpoint.alias.map(|alias| ALIASES[alias].to_owned()));
        }
        names
    }
}

/// Checks an automatic address: it is a host's, no endpoint has it, and it rests only if all free addresses rest and
/// it has rested longest.
fn check_automatic(known: &ModelNetwork, address: IpAddr) {
    let net = known.net.unwrap();
    if net.prefix_len() == 16 {
        assert!(net.contains(&address) && !known.taken.contains_key(&address));
        assert!(!known.resting.contains(&address));
        return;
    }
    let free: BTreeSet<IpAddr> = known.hosts().into_iter().collect();
    assert!(free.contains(&address), "{address} is no host of {net}");
    let mut free = free.iter().filter(|host| !known.taken.contains_key(host));
    if free.clone().all(|host| known.resting.contains(host)) {
        assert_eq!(
            known.resting.front(),
            Some(&address),
            "the one that rested longest"
        );
    } else {
        assert!(!known.resting.contains(&address), "{address} still rests");
        assert!(free.any(|host| *host == address), "{address} is taken");
    }
}
