//! Complaints of users about Docker and the like that the ledger alone makes impossible, by the complaint's number.

use super::{World, network, ports::port};
use crate::{Answer, Command, Connect, Ledger};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

fn addresses(world: &World) -> BTreeMap<String, Vec<IpNet>> {
    let endpoints = world.ledger.endpoints().map(|endpoint| {
        let container = world.ledger.container_by_id(endpoint.container).unwrap();
        (container.name.to_string(), endpoint.addresses.clone())
    });
    endpoints.collect()
}

fn reload(world: &mut World) {
    let rows = world.store.values().cloned();
    let settings = world.ledger.settings().clone();
    world.ledger = Ledger::load(settings, rows, world.ledger.revision()).unwrap();
}

fn force(name: &str) -> Command {
    Command::RemoveContainer {
        container: name.into(),
        force: true,
    }
}

/// Complaint 1: duplicate addresses after a power cycle; the address of a stopped container reused,
/// so that its restart fails.
#[test]
fn complaint_1_a_stopped_container_keeps_its_address_over_power_cycles() {
    let mut world = World::new();
    world.network("app", &["10.9.8.0/28"]);
    for n in 0..13 {
        let name = format!("c{n}");
        world.running(&name);
        world.connect(&name, "app");
    }
    let before = addresses(&world);
    let distinct: BTreeSet<&IpNet> = before.values().flatten().collect();
    assert_eq!(distinct.len(), 13);
    // All of them stop, the VCH loses power, and another container wants addresses meanwhile.
    (0..13).for_each(|n| world.stop(&format!("c{n}")));
    reload(&mut world);
    world.container("greedy");
    let connect = Command::Connect(Connect::tap("greedy", "app"));
    assert_eq!(world.refused(connect).code(), "addresses-exhausted");
    let mut request = Connect::tap("greedy", "app");
    request.addresses = vec!["10.9.8.2".parse().unwrap()];
    assert_eq!(
        world.refused(Command::Connect(request)).code(),
        "address-in-use"
    );
    (0..13).rev().for_each(|n| world.start(&format!("c{n}")));
    assert_eq!(addresses(&world), before);
}

/// Complaint 2: a race over a stale handle, 338 containers on one address.
#[test]
fn complaint_2_hundreds_that_attach_at_once_have_hundreds_of_addresses() {
    let mut world = World::new();
    world.network("app", &["10.9.0.0/22", "fd00:9::/64"]);
    for n in 0..1_000 {
        world.container(&format!("c{n}"));
    }
    // Whatever the order in which requests come, there is one writer, and each decision sees the
    // one before it.
    let mut seen = BTreeSet::new();
    for round in 0..3 {
        for n in 0..1_000 {
            let name = format!("c{}", (n * 7 + round) % 1_000);
            world.connect(&name, "app");
        }
        let held: Vec<IpNet> = addresses(&world).into_values().flatten().collect();
        let distinct: BTreeSet<IpNet> = held.iter().copied().collect();
        assert_eq!((held.len(), distinct.len()), (2_000, 2_000));
        seen.extend(distinct);
        (0..1_000).for_each(|n| world.disconnect(&format!("c{n}"), "app"));
    }
    assert!(seen.len() > 2_000, "freed addresses are not the next ones");
}

/// Complaint 4: ports stay taken after removal; "all ports are allocated" even blocks stop.
#[test]
fn complaint_4_a_removed_container_leaves_no_port_behind() {
    let mut world = World::new();
    for round in 0..50 {
        let mut request = super::container("web");
        request.ports = vec![port("8080:80"), port(":81"), port("53:53/udp")];
        world.must(Command::AddContainer(request));
        world.connect("web", "bridge");
        world.start("web");
        assert_eq!(world.ledger.bindings().count(), 3);
        if round % 2 == 0 {
            reload(&mut world);
        }
        world.must(force("web"));
        assert_eq!(world.ledger.bindings().count(), 0);
    }
    assert!(
        world
            .store
            .values()
            .all(|row| !matches!(row, crate::Row::PortBinding(_))),
        "nor in the store"
    );
}

/// Complaint 10: "endpoint with name X already exists" from stale store entries.
#[test]
fn complaint_10_a_name_can_be_had_again_as_soon_as_its_container_is_gone() {
    let mut world = World::new();
    let empty = world.store.keys().copied().collect::<Vec<_>>();
    for _ in 0..3 {
        world.network("app", &["10.9.8.0/29"]);
        world.running("web");
        world.connect("web", "app");
        reload(&mut world);
        world.must(force("web"));
        world.must(Command::RemoveNetwork("app".into()));
        reload(&mut world);
        let rows: Vec<_> = world.store.keys().copied().collect();
        assert_eq!(rows, empty, "nothing is left in the store");
    }
}

/// Complaint 18: a forced delete leaks addresses; orphans block the removal of their network.
#[test]
fn complaint_18_a_forced_removal_frees_addresses_and_the_network() {
    let mut world = World::new();
    world.network("app", &["10.9.8.0/29"]);
    // Five hosts beside the gateway, and ten times as many lives.
    for n in 0..50 {
        let name = format!("c{n}");
        world.running(&name);
        world.connect(&name, "app");
        world.must(force(&name));
    }
    assert_eq!(world.ledger.endpoints().count(), 0);
    world.must(Command::RemoveNetwork("app".into()));
}

/// Complaint 19: another address after stop and start, another subnet after a restart.
#[test]
fn complaint_19_address_mac_and_subnet_outlive_stop_start_and_restart() {
    let mut world = World::new();
    let made = world.must(Command::CreateNetwork(network("app", &[])));
    let Answer::NetworkCreated { subnets, .. } = made else {
        panic!("{made:?}");
    };
    world.running("web");
    world.connect("web", "app");
    let endpoint = |world: &World| {
        let endpoint = world.ledger.endpoints().next().unwrap();
        (endpoint.addresses.clone(), endpoint.mac)
    };
    let before = endpoint(&world);
    for _ in 0..3 {
        world.stop("web");
        reload(&mut world);
        let nothing = world.with_environment(|ledger, environment| ledger.bootstrap(environment));
        assert_eq!(nothing, Ok(None));
        world.network("other", &[]);
        world.start("web");
        world.must(Command::RemoveNetwork("other".into()));
        assert_eq!(endpoint(&world), before);
        let app = world.ledger.network(&"app".into()).unwrap();
        assert_eq!(app.subnets, subnets);
    }
}

/// Complaint 21: a second default route fails; a default route where there is no gateway.
#[test]
fn complaint_21_default_routes_differ_by_metric_and_lead_to_gateways() {
    let mut world = World::new();
    world.running("web");
    for name in ["one", "two", "three"] {
        world.network(name, &[]);
        world.connect("web", name);
    }
    let id = world.ledger.container(&"web".into()).unwrap().id;
    let spec = world.ledger.spec(id).unwrap();
    let routes = spec.parts().interfaces.iter().flat_map(|nic| &nic.routes);
    let metrics: BTreeSet<u32> = routes.clone().map(|route| route.metric).collect();
    assert_eq!(routes.clone().count(), metrics.len());
    assert!(routes.clone().all(|route| route.gateway.is_some()));
}
