//! Random commands against a model that is simple enough to be seen to be right.
//!
//! 256 runs of 40 commands; `PROPTEST_CASES=2500` makes it 100,000 commands.

mod reference;

use super::{Ledger, World, container, network};
use crate::{Channel, Command, Connect, ContainerId, Row, Settings, VchId};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use protocol::spec::NetSpec;
use reference::{CONTAINERS, Model, ModelNetwork, NETS, NETWORKS, Op, RESTING, mac, nth, route};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

fn op() -> impl Strategy<Value = Op> {
    let (network, container) = (0..NETWORKS.len(), 0..CONTAINERS.len());
    // Mostly where places can be chosen and run out.
    let crowded = prop_oneof![1 => network.clone(), 3 => 2..NETWORKS.len()];
    let place = (container.clone(), crowded);
    let connect = (
        place.clone(),
        prop::option::weighted(0.5, 0u8..9),
        prop::option::weighted(0.2, 0u8..2),
    );
    prop_oneof![
        6 => (network.clone(), 0..NETS.len()).prop_map(|(name, net)| Op::CreateNetwork { name, net }),
        4 => network.prop_map(Op::RemoveNetwork),
        3 => (container.clone(), 0u32..8).prop_map(|(name, cid)| Op::AddContainer { name, cid }),
        1 => (container.clone(), any::<bool>())
            .prop_map(|(name, force)| Op::RemoveContainer { name, force }),
        24 => connect.prop_map(|((container, network), host, mac)| Op::Connect {
            container, network, host, mac,
        }),
        12 => place.prop_map(|(container, network)| Op::Disconnect { container, network }),
        1 => container.clone().prop_map(Op::Start),
        1 => (container.clone(), container).prop_map(|(from, to)| Op::Rename { from, to }),
        2 => any::<bool>().prop_map(Op::Route),
    ]
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
            let answers = endpoint
                .names
                .iter()
                .any(|published| published.as_str() == name);
            assert_eq!(answers, container.runs(), "{name}");
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

/// How often commands ended how: with `done`, or with a refusal's code; and how often
/// an address that rested was handed out.
type Tally = BTreeMap<&'static str, u32>;

/// Containers and networks, so that places can be taken from the first command on.
fn furniture() -> Vec<Op> {
    let containers = (0..CONTAINERS.len()).zip(3..);
    let containers = containers.map(|(name, cid)| Op::AddContainer { name, cid });
    let networks = [(2, 0), (3, 1), (4, 3)];
    let networks = networks.map(|(name, net)| Op::CreateNetwork { name, net });
    containers.chain(networks).collect()
}

fn play(ops: &[Op], tally: &mut Tally) -> World {
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
        let outcome = done
            .as_ref()
            .map_or_else(|refusal| refusal.code(), |_| "done");
        *tally.entry(outcome).or_default() += 1;
        assert_eq!(
            done.as_ref().err().map(|refusal| refusal.code()),
            model.verdict(op),
            "{op:?}"
        );
        match done {
            Ok(done) => {
                model.follow(op, &done.answer);
                let touched: Vec<Row> = done.changes.into_iter().filter_map(|c| c.after).collect();
                check_specs(&old_specs, &world, &touched);
            }
            Err(_) => assert_eq!(world.ledger, before, "a refusal changes nothing"),
        }
        check_against(&model, &world);
    }
    *tally.entry("reused").or_default() += model.reused;
    world
}

/// Without these a run of the model would prove little.
const SEEN: [&str; 13] = [
    "done",
    "address-in-use",
    "address-reserved",
    "addresses-exhausted",
    "already-connected",
    "channel-taken",
    "container-connected",
    "mac-taken",
    "network-in-use",
    "not-connected",
    "reused",
    "route-overlap",
    "subnet-overlap",
];

#[test]
fn the_ledger_does_what_the_model_does() {
    let tally = RefCell::new(Tally::new());
    let mut runner = TestRunner::new(Config::default());
    let games = (prop::bool::weighted(0.8), prop::collection::vec(op(), 40));
    let outcome = runner.run(&games, |(furnished, ops)| {
        let furniture = if furnished { furniture() } else { Vec::new() };
        let ops = [furniture, ops].concat();
        let one = play(&ops, &mut tally.borrow_mut());
        let again = play(&ops, &mut Tally::new());
        prop_assert_eq!(
            one.store,
            again.store,
            "the same commands make the same rows"
        );
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let tally = tally.into_inner();
    println!("{tally:?}");
    for outcome in SEEN {
        assert!(
            tally.contains_key(outcome),
            "no command ended with {outcome}: {tally:?}"
        );
    }
}
