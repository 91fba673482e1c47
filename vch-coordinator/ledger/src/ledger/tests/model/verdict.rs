//! The code with which the model refuses an operation, checked in the ledger's order.

use super::{
    op::{NETS, NETWORKS, Op, configurations, meets, nth, request, route},
    reference::{Model, ModelNetwork},
};
use ipnet::IpNet;
use std::{collections::BTreeMap, net::IpAddr};

impl Model {
    /// Returns the code of the refusal; `None` if the operation is possible.
    pub(super) fn verdict(&self, op: &Op) -> Option<&'static str> {
        match op {
            Op::CreateNetwork { name, net } => self.create_verdict(*name, *net),
            Op::RemoveNetwork(name) => match self.networks.get(name) {
                None => Some("network-not-found"),
                Some(network) if *name < 2 || network.outside => Some("network-predefined"),
                Some(network) if self.is_active(network) => Some("network-in-use"),
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
                if self
                    .containers
                    .get(container)
                    .is_some_and(|row| row.missing.contains(network)) =>
            {
                None
            }
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
                if !self.containers[name].missing.is_empty() {
                    return Some("network-missing");
                }
                let mut after = self.only_ports();
                after.containers.get_mut(name).unwrap().runs = true;
                after.in_force(*name, false).err()
            }),
            Op::Stop(name)
            | Op::Health {
                container: name, ..
            } => self.missing(*name),
            Op::Publish { container, ports } => self
                .missing(*container)
                .or_else(|| self.publish_verdict(*container, ports)),
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

    fn publish_verdict(&self, container: usize, ports: &[usize]) -> Option<&'static str> {
        let mut after = self.only_ports();
        let row = after.containers.get_mut(&container).unwrap();
        let new = ports.iter().filter(|port| !row.ports.contains(port));
        let added: Vec<usize> = new.copied().collect();
        row.ports.extend(ports);
        let all: Vec<usize> = row.ports.iter().copied().collect();
        if after.twice(&all) {
            return Some("port-twice");
        }
        if after.outside_only(container, &added, None) {
            return Some("port-on-external");
        }
        let v6 = |n: &usize| {
            let publish = request(n).publish;
            publish
                .and_then(|one| one.address)
                .is_some_and(|one| one.is_ipv6())
        };
        if !after.carriers(container).is_empty() && added.iter().any(v6) {
            return Some("port-family");
        }
        after.in_force(container, false).err()
    }

    /// Returns a copy of the part of the model that ports depend on.
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
            let one = request(one);
            one.publish.as_ref().unwrap().address.is_none()
                && self.bound.iter().any(|((_, other), there)| {
                    let other = request(other);
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
        let Some(known) = self.networks.get(network) else {
            return Some("network-not-found");
        };
        if *network == 0 {
            return Some("no-endpoints-on-none");
        }
        if known.of(*container).is_some() {
            return Some("already-connected");
        }
        if let Some(code) = address_verdict(known, *network, *host) {
            return Some(code);
        }
        let mut others = self.endpoints.values();
        if mac.is_some() && others.any(|other| other.mac == *mac) {
            return Some("mac-taken");
        }
        // On the default bridge alone.
        if *network == 1 && link.is_some_and(|to| !self.containers.contains_key(&to)) {
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
}

fn address_verdict(known: &ModelNetwork, network: usize, host: Option<u8>) -> Option<&'static str> {
    let Some(host) = host else {
        let full = known.taken.len() == known.hosts().len();
        return full.then_some("addresses-exhausted");
    };
    if network == 1 {
        return Some("address-on-default-bridge");
    }
    let address = nth(known.net, host);
    let net = known.net.unwrap();
    if !net.contains(&address) {
        return Some("address-outside");
    }
    if address == net.network() || address == net.broadcast() {
        return Some("not-a-host");
    }
    if net.hosts().take(known.kept()).any(|kept| kept == address) {
        return Some("address-reserved");
    }
    known
        .taken
        .contains_key(&address)
        .then_some("address-in-use")
}
