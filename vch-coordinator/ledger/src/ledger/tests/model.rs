//! Random commands against a model that is simple enough to be seen to be right.
//!
//! Additions are undone at random as `requests` does it when an effect fails, and the ledger is read
//! from its rows at random. 2,000 commands, the same in every run; `VCH_MODEL_OPS=100000` makes it so
//! many, others in every run.

mod op;
mod ports;
mod reference;
mod verdict;

use super::{Ledger, World};
use crate::{Command, Container, ContainerId, Row, Settings, VchId};
use op::{CONTAINERS, EPHEMERAL, NETWORKS, Op, command, op, request, route, undo};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use protocol::spec::NetSpec;
use reference::{Model, ModelNetwork, RESTING};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// How many commands one run has, without its furniture.
const LENGTH: usize = 40;

fn specs(ledger: &Ledger) -> BTreeMap<ContainerId, Option<NetSpec>> {
    let ids = ledger.containers().map(|container| container.id);
    ids.map(|id| (id, ledger.spec(id))).collect()
}

/// Checks that only a container whose row changed has another spec, and that each other spec has another generation.
fn check_specs(before: &BTreeMap<ContainerId, Option<NetSpec>>, world: &World, touched: &[Row]) {
    for (id, now) in specs(&world.ledger) {
        let row = world.ledger.container_by_id(id).unwrap();
        assert_eq!(now.is_some(), row.runs());
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

fn row(ledger: &Ledger, name: usize) -> &Container {
    ledger.container(&CONTAINERS[name].into()).unwrap()
}

/// Returns the port that the VCH chose for a container, which has at most one such request.
fn chosen(ledger: &Ledger, name: usize) -> u16 {
    let mut bindings = ledger.bindings_of(row(ledger, name).id);
    let binding = bindings.find(|binding| binding.ephemeral);
    binding.expect("a port was chosen").host.port
}

fn check_against(model: &Model, world: &World) {
    let ledger = &world.ledger;
    assert_eq!(ledger.containers().count(), model.containers.len());
    assert_eq!(ledger.networks().count(), model.networks.len());
    let held = check_endpoints(model, ledger);
    assert_eq!(ledger.endpoints().count(), held);
    let macs: BTreeSet<_> = ledger.endpoints().map(|endpoint| endpoint.mac).collect();
    assert_eq!(macs.len(), held, "MAC addresses are unique");
    check_bindings(model, ledger);
    let rows = world.store.values().cloned();
    let loaded = Ledger::load(ledger.settings().clone(), rows, ledger.revision());
    assert_eq!(
        loaded.as_ref(),
        Ok(ledger),
        "the stored rows are the ledger"
    );
}

fn check_endpoints(model: &Model, ledger: &Ledger) -> usize {
    let mut held = 0;
    for (network, known) in &model.networks {
        for (address, holder) in &known.taken {
            let endpoint = ledger.endpoint_at(*address).expect("the address is held");
            let container = ledger.container_by_id(endpoint.container).unwrap();
            assert_eq!(container.name.as_str(), CONTAINERS[*holder]);
            assert_eq!(container.runs(), model.containers[holder].runs);
            let on = ledger.network_by_id(endpoint.network).unwrap();
            assert_eq!(on.name.as_str(), NETWORKS[*network]);
            let names = endpoint.names.iter().map(ToString::to_string);
            let names: BTreeSet<String> =
                names.filter(|name| *name != container.id.short()).collect();
            assert_eq!(names, model.names(*holder, *network));
            let opened = if known.outside {
                model.opened(*holder)
            } else {
                Vec::new()
            };
            assert_eq!(endpoint.opened, opened);
            let link = model.endpoints[&(*holder, *network)].link;
            let meant: Vec<ContainerId> =
                endpoint.links.iter().map(|link| link.container).collect();
            let there = link.filter(|to| model.containers.contains_key(to));
            assert_eq!(endpoint.awaited_links.len(), usize::from(link != there));
            let expected = there.map(|to| row(ledger, to).id);
            assert_eq!(meant, expected.into_iter().collect::<Vec<_>>());
            if let Some(to) = expected {
                let mut askers = ledger.links_to(to, endpoint.network);
                assert!(askers.any(|(asker, _)| asker.id == endpoint.id));
            }
            held += 1;
        }
    }
    held
}

fn check_bindings(model: &Model, ledger: &Ledger) {
    let expected = model.bound.iter().map(|((container, n), bound)| {
        let publish = request(n).publish.unwrap();
        (
            (request(n).number.protocol, publish.address, bound.port),
            (
                row(ledger, *container).id,
                request(n).number.port,
                NETWORKS[bound.network].to_owned(),
            ),
        )
    });
    let expected: BTreeMap<_, _> = expected.collect();
    assert_eq!(expected.len(), model.bound.len(), "no two are for one port");
    let found = ledger.bindings().map(|binding| {
        let host = binding.host;
        let endpoint = ledger.endpoint(binding.endpoint).unwrap();
        let own: Vec<_> = endpoint.addresses.iter().map(|net| net.addr()).collect();
        assert_eq!(binding.target, own);
        let network = ledger.network_by_id(endpoint.network).unwrap();
        (
            (host.protocol, host.address, host.port),
            (
                binding.container,
                binding.container_port,
                network.name.to_string(),
            ),
        )
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
}

/// How often commands ended how: with `done`, or with a refusal's code; and how often
/// an address that rested was handed out.
type Tally = BTreeMap<&'static str, u32>;

/// Containers and networks, so that endpoints can be made from the first command on.
fn furniture() -> Vec<Op> {
    let containers = (0..CONTAINERS.len()).zip(3..);
    let containers = containers.map(|(name, cid)| Op::AddContainer { name, cid });
    let networks = [(2, 0), (3, 1), (4, 3)];
    let networks = networks.map(|(name, net)| Op::CreateNetwork { name, net });
    let start = (0..CONTAINERS.len()).map(Op::Start);
    let configured = [Op::Configure(2)];
    let connect = (0..3).map(|container| Op::Connect {
        container,
        network: 1,
        host: None,
        mac: None,
        link: None,
        only_healthy: false,
    });
    // All that the VCH can choose from.
    let publish = (0..2).map(|container| Op::Publish {
        container,
        ports: vec![6],
    });
    let all = containers.chain(networks).chain(connect).chain(start);
    all.chain(publish).chain(configured).collect()
}

fn play(ops: &[Op], tally: &mut Tally) -> World {
    let mut settings = Settings::of(VchId([7; 16]));
    settings.limits.resting = RESTING;
    settings.ephemeral = EPHEMERAL;
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
    // What an effect that fails would undo.
    let mut addition = None;
    for op in ops {
        let op = match op {
            Op::Route(there) => {
                model.route = *there;
                world.routes = there.then(route).into_iter().collect();
                continue;
            }
            Op::Reload => {
                let rows = world.store.values().cloned();
                let settings = world.ledger.settings().clone();
                world.ledger = Ledger::load(settings, rows, world.ledger.revision()).unwrap();
                continue;
            }
            Op::Undo => match addition.take() {
                Some(undo) => {
                    *tally.entry("undone").or_default() += 1;
                    undo
                }
                None => continue,
            },
            op => op.clone(),
        };
        addition = one(&op, &mut world, &mut model, tally);
        check_against(&model, &world);
    }
    *tally.entry("reused").or_default() += model.reused;
    world
}

/// Checks that a command leaves nothing behind in a batch with one that is refused.
fn taken_back(command: &Command, before: &Ledger, world: &mut World) {
    let seed = world.seed;
    let refused = Command::StopContainer("nobody".into());
    let batch = Command::Batch(vec![command.clone(), refused]);
    world.run(batch).unwrap_err();
    assert_eq!(&world.ledger, before, "{command:?} is not taken back");
    world.seed = seed;
}

/// Does one operation; returns the one that would undo it, if it added something.
fn one(op: &Op, world: &mut World, model: &mut Model, tally: &mut Tally) -> Option<Op> {
    let command = command(op, model).unwrap();
    let (before, old_specs) = (world.ledger.clone(), specs(&world.ledger));
    taken_back(&command, &before, world);
    let done = world.run(command);
    let code = done.as_ref().err().map(|refusal| refusal.code());
    *tally.entry(code.unwrap_or("done")).or_default() += 1;
    assert_eq!(code, model.verdict(op), "{op:?}");
    let Ok(done) = done else {
        assert_eq!(world.ledger, before, "a refusal changes nothing");
        return None;
    };
    model.follow(op, &done.answer, &world.ledger);
    let undo = undo(op, &done.answer);
    let touched: Vec<Row> = done.changes.into_iter().filter_map(|c| c.after).collect();
    check_specs(&old_specs, world, &touched);
    undo
}

/// Without these a run of the model would prove little.
const SEEN: [&str; 22] = [
    "done",
    "address-in-use",
    "address-reserved",
    "addresses-exhausted",
    "already-connected",
    "channel-taken",
    "container-connected",
    "container-not-found",
    "external-in-use",
    "external-orphans",
    "mac-taken",
    "network-in-use",
    "not-connected",
    "port-family",
    "port-not-published",
    "port-on-external",
    "port-taken",
    "port-twice",
    "ports-exhausted",
    "reused",
    "subnet-overlap",
    "undone",
];

#[test]
fn the_ledger_does_what_the_model_does() {
    let long = std::env::var("VCH_MODEL_OPS").ok();
    let ops: usize = long
        .as_ref()
        .map_or(2_000, |ops| ops.parse().expect("a number"));
    let config = Config {
        cases: u32::try_from(ops.div_ceil(LENGTH)).expect("a number of runs"),
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = match long {
        Some(_) => TestRunner::new(config),
        None => {
            let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            TestRunner::new_with_rng(config, rng)
        }
    };
    let tally = RefCell::new(Tally::new());
    let games = (
        prop::bool::weighted(0.8),
        prop::collection::vec(op(), LENGTH),
    );
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
    println!("{ops} random commands: {tally:?}");
    for outcome in SEEN {
        assert!(
            tally.contains_key(outcome),
            "no command ended with {outcome}: {tally:?}"
        );
    }
}
