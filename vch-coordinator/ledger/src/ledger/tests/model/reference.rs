//! The model: maps and lists, no thought of cost.

use crate::Answer;
use ipnet::IpNet;
use protocol::spec::MacAddress;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
};

pub(super) const NETWORKS: [&str; 5] = ["none", "bridge", "app", "web", "db"];
pub(super) const CONTAINERS: [&str; 5] = ["c0", "c1", "c2", "c3", "c4"];
/// Some overlap, from within and from around.
pub(super) const NETS: [&str; 5] = [
    "10.9.8.0/29",
    "10.9.8.8/30",
    "10.9.8.0/28",
    "10.9.8.12/30",
    "10.7.0.0/29",
];
/// How many addresses of a subnet rest: fewer than a /29 has.
pub(super) const RESTING: usize = 3;

#[derive(Clone, Debug)]
pub(super) enum Op {
    CreateNetwork {
        name: usize,
        net: usize,
    },
    RemoveNetwork(usize),
    AddContainer {
        name: usize,
        cid: u32,
    },
    RemoveContainer {
        name: usize,
        force: bool,
    },
    Connect {
        container: usize,
        network: usize,
        host: Option<u8>,
        mac: Option<u8>,
    },
    Disconnect {
        container: usize,
        network: usize,
    },
    Start(usize),
    Rename {
        from: usize,
        to: usize,
    },
    Route(bool),
}

#[derive(Default)]
pub(super) struct ModelNetwork {
    pub(super) net: Option<IpNet>,
    pub(super) taken: BTreeMap<IpAddr, usize>,
    pub(super) resting: VecDeque<IpAddr>,
}

impl ModelNetwork {
    pub(super) fn hosts(&self) -> Vec<IpAddr> {
        // The first host is the gateway.
        self.net
            .iter()
            .flat_map(|net| net.hosts().skip(1))
            .collect()
    }

    pub(super) fn release(&mut self, address: IpAddr) {
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

#[derive(Default)]
pub(super) struct Model {
    pub(super) networks: BTreeMap<usize, ModelNetwork>,
    /// Each with its context id.
    pub(super) containers: BTreeMap<usize, u32>,
    pub(super) macs: BTreeMap<(usize, usize), u8>,
    pub(super) route: bool,
    /// How often an address that rested was handed out.
    pub(super) reused: u32,
}

pub(super) fn meets(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

pub(super) fn route() -> IpNet {
    "10.7.0.4/30".parse().unwrap()
}

pub(super) fn mac(n: u8) -> MacAddress {
    [0x0a, 0, 0, 0, 0, n].try_into().unwrap()
}

/// The nth address from the network's own on; on a network that is not there, any.
pub(super) fn nth(net: Option<IpNet>, n: u8) -> IpAddr {
    match net.map(|net| net.network()) {
        Some(IpAddr::V4(v4)) => Ipv4Addr::from(u32::from(v4) + u32::from(n)).into(),
        _ => Ipv4Addr::new(10, 9, 8, n).into(),
    }
}

impl Model {
    /// The code of the refusal, in the order in which the ledger looks.
    pub(super) fn verdict(&self, op: &Op) -> Option<&'static str> {
        match *op {
            Op::CreateNetwork { name, net } => self.create_verdict(name, net),
            Op::RemoveNetwork(name) => match self.networks.get(&name) {
                None => Some("network-not-found"),
                Some(_) if name < 2 => Some("network-predefined"),
                Some(network) if !network.taken.is_empty() => Some("network-in-use"),
                Some(_) => None,
            },
            Op::AddContainer { name, cid } => {
                if self.containers.contains_key(&name) {
                    return Some("container-name-taken");
                }
                if cid < 3 {
                    return Some("cid-reserved");
                }
                let taken = self.containers.values().any(|other| *other == cid);
                taken.then_some("channel-taken")
            }
            Op::RemoveContainer { name, force } => self.missing(name).or_else(|| {
                let connected = self.networks.values().any(|n| n.of(name).is_some());
                (connected && !force).then_some("container-connected")
            }),
            Op::Connect {
                container,
                network,
                host,
                mac,
            } => self.connect_verdict(container, network, host, mac),
            Op::Disconnect { container, network } => {
                self.missing(container)
                    .or_else(|| match self.networks.get(&network) {
                        None => Some("network-not-found"),
                        Some(n) if n.of(container).is_none() => Some("not-connected"),
                        Some(_) => None,
                    })
            }
            Op::Start(name) => self.missing(name),
            Op::Rename { from, to } => self.missing(from).or_else(|| {
                self.containers
                    .contains_key(&to)
                    .then_some("container-name-taken")
            }),
            Op::Route(_) => None,
        }
    }

    pub(super) fn missing(&self, container: usize) -> Option<&'static str> {
        (!self.containers.contains_key(&container)).then_some("container-not-found")
    }

    pub(super) fn create_verdict(&self, name: usize, net: usize) -> Option<&'static str> {
        if name < 2 {
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

    pub(super) fn connect_verdict(
        &self,
        container: usize,
        network: usize,
        host: Option<u8>,
        mac: Option<u8>,
    ) -> Option<&'static str> {
        if let Some(missing) = self.missing(container) {
            return Some(missing);
        }
        let Some(place) = self.networks.get(&network) else {
            return Some("network-not-found");
        };
        if network == 0 {
            return Some("no-endpoints-on-none");
        }
        if place.of(container).is_some() {
            return Some("already-connected");
        }
        if let Some(refused) = self.address_verdict(network, place, host) {
            return Some(refused);
        }
        let taken = mac.is_some_and(|mac| self.macs.values().any(|other| *other == mac));
        taken.then_some("mac-taken")
    }

    pub(super) fn address_verdict(
        &self,
        network: usize,
        place: &ModelNetwork,
        host: Option<u8>,
    ) -> Option<&'static str> {
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
        if Some(address) == net.hosts().next() {
            return Some("address-reserved");
        }
        place
            .taken
            .contains_key(&address)
            .then_some("address-in-use")
    }

    /// What a command that is possible does.
    pub(super) fn follow(&mut self, op: &Op, answer: &Answer) {
        match (op, answer) {
            (Op::CreateNetwork { name, .. }, Answer::NetworkCreated { subnets, .. }) => {
                let net = Some(subnets[0].net);
                self.networks.insert(
                    *name,
                    ModelNetwork {
                        net,
                        ..Default::default()
                    },
                );
            }
            (Op::RemoveNetwork(name), _) => {
                self.networks.remove(name);
            }
            (Op::AddContainer { name, cid }, _) => {
                self.containers.insert(*name, *cid);
            }
            (Op::RemoveContainer { name, .. }, _) => {
                self.containers.remove(name);
                let networks: Vec<usize> = self.networks.keys().copied().collect();
                networks
                    .into_iter()
                    .for_each(|network| self.leave(*name, network));
            }
            (
                Op::Connect {
                    container,
                    network,
                    host,
                    mac,
                },
                Answer::Connected { addresses, .. },
            ) => {
                let place = self.networks.get_mut(network).unwrap();
                let address = addresses[0].addr();
                match host {
                    Some(host) => assert_eq!(address, nth(place.net, *host)),
                    None => check_automatic(place, address),
                }
                self.reused += u32::from(place.resting.contains(&address));
                place.resting.retain(|resting| *resting != address);
                place.taken.insert(address, *container);
                self.macs
                    .extend(mac.map(|mac| ((*container, *network), mac)));
            }
            (Op::Disconnect { container, network }, _) => self.leave(*container, *network),
            (Op::Rename { from, to }, _) => self.rename(*from, *to),
            _ => {}
        }
    }

    pub(super) fn leave(&mut self, container: usize, network: usize) {
        let place = self.networks.get_mut(&network).unwrap();
        if let Some(address) = place.of(container) {
            place.release(address);
        }
        self.macs.remove(&(container, network));
    }

    pub(super) fn rename(&mut self, from: usize, to: usize) {
        let cid = self.containers.remove(&from).unwrap();
        self.containers.insert(to, cid);
        for place in self.networks.values_mut() {
            let mine = place.taken.values_mut().filter(|holder| **holder == from);
            mine.for_each(|holder| *holder = to);
        }
        let macs = std::mem::take(&mut self.macs).into_iter();
        let moved = macs.map(|((c, n), mac)| ((if c == from { to } else { c }, n), mac));
        self.macs = moved.collect();
    }
}

/// An automatic address is a host's and nobody's; it rests only if all that are free do, and then it
/// has rested longest.
pub(super) fn check_automatic(place: &ModelNetwork, address: IpAddr) {
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
