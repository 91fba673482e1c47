//! Random commands against a model that is simple enough to be seen to be right.
//!
//! 256 runs of 40 commands; `PROPTEST_CASES=2500` makes it 100,000 commands.

use super::{Ledger, World, container, network};
use crate::{Answer, Channel, Command, Connect, ContainerId, Row, Settings, VchId};
use ipnet::IpNet;
use proptest::prelude::*;
use protocol::spec::{MacAddress, NetSpec};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
};

const NETWORKS: [&str; 5] = ["none", "bridge", "app", "web", "db"];
const CONTAINERS: [&str; 5] = ["c0", "c1", "c2", "c3", "c4"];
/// Some overlap, from within and from around.
const NETS: [&str; 5] = [
    "10.9.8.0/29",
    "10.9.8.8/29",
    "10.9.8.0/28",
    "10.9.8.12/30",
    "10.7.0.0/29",
];
/// How many addresses of a subnet rest: fewer than a /29 has.
const RESTING: usize = 3;

#[derive(Clone, Debug)]
enum Op {
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

fn op() -> impl Strategy<Value = Op> {
    let (network, container) = (0..NETWORKS.len(), 0..CONTAINERS.len());
    let place = (container.clone(), network.clone());
    let connect = (
        place.clone(),
        prop::option::weighted(0.3, 0u8..17),
        prop::option::weighted(0.2, 0u8..3),
    );
    prop_oneof![
        2 => (network.clone(), 0..NETS.len()).prop_map(|(name, net)| Op::CreateNetwork { name, net }),
        1 => network.prop_map(Op::RemoveNetwork),
        3 => (container.clone(), 0u32..8).prop_map(|(name, cid)| Op::AddContainer { name, cid }),
        1 => (container.clone(), any::<bool>())
            .prop_map(|(name, force)| Op::RemoveContainer { name, force }),
        8 => connect.prop_map(|((container, network), host, mac)| Op::Connect {
            container, network, host, mac,
        }),
        5 => place.prop_map(|(container, network)| Op::Disconnect { container, network }),
        1 => container.clone().prop_map(Op::Start),
        1 => (container.clone(), container).prop_map(|(from, to)| Op::Rename { from, to }),
        1 => any::<bool>().prop_map(Op::Route),
    ]
}

#[derive(Default)]
struct ModelNetwork {
    net: Option<IpNet>,
    taken: BTreeMap<IpAddr, usize>,
    resting: VecDeque<IpAddr>,
}

impl ModelNetwork {
    fn hosts(&self) -> Vec<IpAddr> {
        // The first host is the gateway.
        self.net
            .iter()
            .flat_map(|net| net.hosts().skip(1))
            .collect()
    }

    fn release(&mut self, address: IpAddr) {
        self.taken.remove(&address);
        self.resting.push_back(address);
        if self.resting.len() > RESTING {
            self.resting.pop_front();
        }
    }

    fn of(&self, container: usize) -> Option<IpAddr> {
        let mut taken = self.taken.iter();
        taken
            .find(|(_, holder)| **holder == container)
            .map(|(address, _)| *address)
    }
}

#[derive(Default)]
struct Model {
    networks: BTreeMap<usize, ModelNetwork>,
    /// Each with its context id.
    containers: BTreeMap<usize, u32>,
    macs: BTreeMap<(usize, usize), u8>,
    route: bool,
}

fn meets(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

fn route() -> IpNet {
    "10.7.0.4/30".parse().unwrap()
}

fn mac(n: u8) -> MacAddress {
    [0x0a, 0, 0, 0, 0, n].try_into().unwrap()
}

/// The nth address from the network's own on; on a network that is not there, any.
fn nth(net: Option<IpNet>, n: u8) -> IpAddr {
    match net.map(|net| net.network()) {
        Some(IpAddr::V4(v4)) => Ipv4Addr::from(u32::from(v4) + u32::from(n)).into(),
        _ => Ipv4Addr::new(10, 9, 8, n).into(),
    }
}

impl Model {
    /// The code of the refusal, in the order in which the ledger looks.
    fn verdict(&self, op: &Op) -> Option<&'static str> {
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

    fn missing(&self, container: usize) -> Option<&'static str> {
        (!self.containers.contains_key(&container)).then_some("container-not-found")
    }

    fn create_verdict(&self, name: usize, net: usize) -> Option<&'static str> {
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

    fn connect_verdict(
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

    fn address_verdict(
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
    fn follow(&mut self, op: &Op, answer: &Answer) {
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

    fn leave(&mut self, container: usize, network: usize) {
        let place = self.networks.get_mut(&network).unwrap();
        if let Some(address) = place.of(container) {
            place.release(address);
        }
        self.macs.remove(&(container, network));
    }

    fn rename(&mut self, from: usize, to: usize) {
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

fn command(op: &Op, model: &Model) -> Option<Command> {
    Some(match *op {
        Op::CreateNetwork { name, net } => {
            Command::CreateNetwork(network(NETWORKS[name], &[NETS[net]]))
        }
        Op::RemoveNetwork(name) => Command::RemoveNetwork(NETWORKS[name].into()),
        Op::AddContainer { name, cid } => {
            let mut wish = container(CONTAINERS[name]);
            wish.channel = Channel::Vsock { cid };
            Command::AddContainer(wish)
        }
        Op::RemoveContainer { name, force } => {
            let container = CONTAINERS[name].into();
            Command::RemoveContainer { container, force }
        }
        Op::Connect {
            container,
            network,
            host,
            mac: chosen,
        } => {
            let mut wish = Connect::tap(CONTAINERS[container], NETWORKS[network]);
            let net = model.networks.get(&network).and_then(|network| network.net);
            wish.addresses = host.map(|host| nth(net, host)).into_iter().collect();
            wish.mac = chosen.map(mac);
            Command::Connect(wish)
        }
        Op::Disconnect { container, network } => {
            super::disconnect(CONTAINERS[container], NETWORKS[network])
        }
        Op::Start(name) => Command::StartContainer(CONTAINERS[name].into()),
        Op::Rename { from, to } => Command::RenameContainer {
            container: CONTAINERS[from].into(),
            name: CONTAINERS[to].parse().unwrap(),
        },
        Op::Route(_) => return None,
    })
}

fn specs(ledger: &Ledger) -> BTreeMap<ContainerId, Option<NetSpec>> {
    let ids = ledger.containers().map(|container| container.id);
    ids.map(|id| (id, ledger.spec(id))).collect()
}

/// Only a container whose row changed has another spec, and one that has another has another number.
fn check_specs(before: &BTreeMap<ContainerId, Option<NetSpec>>, world: &World, touched: &[Row]) {
    for (id, now) in specs(&world.ledger) {
        let row = world.ledger.container_by_id(id).unwrap();
        assert_eq!(now.is_some(), row.incarnation.is_some());
        let changed = touched
            .iter()
            .any(|row| matches!(row, Row::Container(c) if c.id == id));
        match (before.get(&id), &now) {
            (Some(Some(old)), Some(new)) if old.parts() != new.parts() => {
                assert!(changed && old.id() != new.id());
            }
            (Some(Some(old)), Some(new)) => assert_eq!(old.id(), new.id()),
            _ => {}
        }
    }
}

fn check_against(model: &Model, world: &World) {
    let ledger = &world.ledger;
    assert_eq!(ledger.containers().count(), model.containers.len());
    assert_eq!(ledger.networks().count(), model.networks.len());
    let mut held = 0;
    for (network, place) in &model.networks {
        for (address, holder) in &place.taken {
            let endpoint = ledger.endpoint_at(*address).expect("the address is held");
            let container = ledger.container_by_id(endpoint.container).unwrap();
            assert_eq!(container.name.as_str(), CONTAINERS[*holder]);
            let on = ledger.network_by_id(endpoint.network).unwrap();
            assert_eq!(on.name.as_str(), NETWORKS[*network]);
            let name = format!("{}.{}", CONTAINERS[*holder], NETWORKS[*network]);
            assert!(
                endpoint
                    .names
                    .iter()
                    .any(|published| published.as_str() == name)
            );
            held += 1;
        }
    }
    assert_eq!(ledger.endpoints().count(), held);
    let macs: BTreeSet<_> = ledger.endpoints().map(|endpoint| endpoint.mac).collect();
    assert_eq!(macs.len(), held, "MAC addresses are unique");
    let rows = world.store.values().cloned();
    let loaded = Ledger::load(ledger.settings().clone(), rows, ledger.revision());
    assert_eq!(
        loaded.as_ref(),
        Ok(ledger),
        "the stored rows are the ledger"
    );
}

fn play(ops: &[Op]) -> World {
    let mut settings = Settings::of(VchId([7; 16]));
    settings.limits.resting = RESTING;
    let mut world = World::with(settings);
    let mut model = Model::default();
    model.networks.insert(0, ModelNetwork::default());
    let net = Some("172.17.0.0/16".parse().unwrap());
    model.networks.insert(
        1,
        ModelNetwork {
            net,
            ..Default::default()
        },
    );
    for op in ops {
        if let Op::Route(there) = op {
            model.route = *there;
            world.routes = there.then(route).into_iter().collect();
            continue;
        }
        let command = command(op, &model).unwrap();
        let (before, old_specs) = (world.ledger.clone(), specs(&world.ledger));
        let done = world.run(command);
        assert_eq!(
            done.as_ref().err().map(|refusal| refusal.code()),
            model.verdict(op),
            "{op:?}"
        );
        match done {
            Ok(done) => {
                let mut reverted = world.ledger.clone();
                assert_eq!(reverted.revert(&done), Ok(()));
                assert_eq!(reverted, before, "what was taken back never was");
                assert!(reverted.revert(&done).is_err(), "it is taken back once");
                model.follow(op, &done.answer);
                let touched: Vec<Row> = done.changes.into_iter().filter_map(|c| c.after).collect();
                check_specs(&old_specs, &world, &touched);
            }
            Err(_) => assert_eq!(world.ledger, before, "a refusal changes nothing"),
        }
        check_against(&model, &world);
    }
    world
}

proptest! {
    #[test]
    fn the_ledger_does_what_the_model_does(ops in prop::collection::vec(op(), 40)) {
        let one = play(&ops);
        prop_assert_eq!(one.store, play(&ops).store, "the same commands make the same rows");
    }
}
