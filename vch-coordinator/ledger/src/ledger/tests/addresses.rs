use super::{World, disconnect, network};
use crate::{Answer, Command, Connect, RefusalKind, Settings, VchId};
use protocol::spec::MacAddress;
use std::{collections::BTreeSet, net::IpAddr};

fn with_address(container: &str, network: &str, addresses: &[&str]) -> Command {
    let mut request = Connect::tap(container, network);
    request.addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
    Command::Connect(request)
}

fn add_containers(world: &mut World, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|n| format!("c{n}")).collect();
    for name in &names {
        world.container(name);
    }
    names
}

#[test]
fn a_freed_address_is_not_handed_out_at_once() {
    let mut world = World::new();
    add_containers(&mut world, 2);
    world.network("app", &["10.9.8.0/24"]);
    assert_eq!(world.connect("c0", "app"), "10.9.8.2/24");
    for last in 3..=254 {
        world.disconnect("c0", "app");
        assert_eq!(world.connect("c0", "app"), format!("10.9.8.{last}/24"));
    }
    // All have been used once: the one that has rested longest is next.
    assert_eq!(world.connect("c1", "app"), "10.9.8.2/24");
}

#[test]
fn the_rest_survives_a_restart() {
    let mut world = World::new();
    add_containers(&mut world, 3);
    world.network("app", &["10.9.8.0/29"]);
    for _ in 0..2 {
        world.connect("c0", "app");
        world.disconnect("c0", "app");
    }
    let rows: Vec<_> = world.store.values().cloned().collect();
    let (settings, revision) = (world.ledger.settings().clone(), world.ledger.revision());
    world.ledger = super::Ledger::load(settings, rows, revision).unwrap();
    assert_eq!(world.connect("c0", "app"), "10.9.8.4/29");
    assert_eq!(world.connect("c1", "app"), "10.9.8.5/29");
}

#[test]
fn more_rest_than_the_limit_lets_the_oldest_go_but_behind_the_cursor() {
    let mut settings = Settings::of(VchId([7; 16]));
    settings.limits.resting = 2;
    let mut world = World::with(settings);
    add_containers(&mut world, 1);
    world.network("app", &["10.9.8.0/29"]);
    let given = (0..12).map(|_| {
        let address = world.connect("c0", "app");
        world.disconnect("c0", "app");
        let rows = world.store.values();
        let resting = rows.filter(|row| matches!(row, crate::Row::RestingAddress(_)));
        assert!(resting.count() <= 2);
        address
    });
    let given: Vec<String> = given.collect();
    for window in given.windows(5) {
        let different: BTreeSet<_> = window.iter().collect();
        assert_eq!(
            different.len(),
            5,
            "a whole round before any comes again: {given:?}"
        );
    }
}

#[test]
fn a_chosen_address_may_be_one_that_rests() {
    let mut world = World::new();
    add_containers(&mut world, 2);
    world.network("app", &["10.9.8.0/24"]);
    world.connect("c0", "app");
    world.disconnect("c0", "app");
    world.must(with_address("c1", "app", &["10.9.8.2"]));
    let rests = |row: &crate::Row| matches!(row, crate::Row::RestingAddress(_));
    assert!(
        !world.store.values().any(rests),
        "it is taken, so it rests no longer"
    );
    let refusal = world.refused(with_address("c0", "app", &["10.9.8.2"]));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("address-in-use", RefusalKind::Forbidden)
    );
    let text = "Address already in use: 10.9.8.2 belongs to container c1";
    assert!(refusal.to_string().starts_with(text), "{refusal}");
}

#[test]
fn an_address_that_can_not_be_had_is_refused_with_the_reason() {
    let mut world = World::new();
    add_containers(&mut world, 1);
    let mut request = network("app", &["10.9.8.0/24", "fd00:9::/64"]);
    let kept = ("printer".to_owned(), "10.9.8.9".parse().unwrap());
    request.subnets[0].auxiliary.extend([kept]);
    world.must(Command::CreateNetwork(request));
    for (addresses, code) in [
        (vec!["10.9.9.2"], "address-outside"),
        (vec!["10.9.8.0"], "not-a-host"),
        (vec!["10.9.8.255"], "not-a-host"),
        (vec!["fd00:9::"], "not-a-host"),
        (vec!["10.9.8.1"], "address-reserved"),
        (vec!["10.9.8.9"], "address-reserved"),
        (vec!["10.9.8.3", "10.9.8.4"], "address-twice"),
        (vec!["10.9.8.3", "fd00:9::3", "fd00:9::4"], "address-twice"),
    ] {
        let refusal = world.refused(with_address("c0", "app", &addresses));
        assert_eq!(refusal.code(), code, "{addresses:?}: {refusal}");
    }
    let refusal = world.refused(with_address("c0", "app", &["10.9.8.9"]));
    assert!(
        refusal.to_string().contains("auxiliary address printer"),
        "{refusal}"
    );
    let refusal = world.refused(with_address("c0", "app", &["10.9.9.2"]));
    assert!(
        refusal
            .to_string()
            .contains("no configured subnet contains IP address 10.9.9.2")
    );
    let refusal = world.refused(with_address("c0", "bridge", &["172.17.0.9"]));
    assert_eq!(refusal.code(), "address-on-default-bridge");
}

#[test]
fn an_endpoint_has_one_address_of_each_family_of_its_network() {
    let mut world = World::new();
    add_containers(&mut world, 3);
    world.network("app", &["fd00:9::/64", "10.9.8.0/24"]);
    assert_eq!(world.connect("c0", "app"), "10.9.8.2/24 fd00:9::2/64");
    world.must(with_address("c1", "app", &["fd00:9::1:7"]));
    let c1 = world
        .ledger
        .endpoint_at("fd00:9::1:7".parse().unwrap())
        .unwrap();
    assert_eq!(super::list(&c1.addresses), "10.9.8.3/24 fd00:9::1:7/64");
    let mut request = network("v6", &["fd00:8::/64"]);
    request.ipv4 = false;
    world.must(Command::CreateNetwork(request));
    assert_eq!(world.connect("c2", "v6"), "fd00:8::2/64");
}

#[test]
fn a_second_subnet_is_used_when_the_first_is_full() {
    let mut world = World::new();
    let names = add_containers(&mut world, 3);
    world.network("app", &["10.9.8.0/30", "10.9.9.0/30"]);
    let given: Vec<_> = names[..2]
        .iter()
        .map(|name| world.connect(name, "app"))
        .collect();
    assert_eq!(given, ["10.9.8.2/30", "10.9.9.2/30"]);
    let refusal = world.refused(Command::Connect(Connect::tap("c2", "app")));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("addresses-exhausted", RefusalKind::Exhausted)
    );
    world.disconnect("c0", "app");
    assert_eq!(world.connect("c2", "app"), "10.9.8.2/30");
}

#[test]
fn automatic_addresses_come_from_the_range_and_chosen_ones_from_anywhere() {
    let mut world = World::new();
    add_containers(&mut world, 5);
    let mut request = network("app", &["10.9.0.0/16"]);
    request.subnets[0].range = Some("10.9.8.0/30".parse().unwrap());
    world.must(Command::CreateNetwork(request));
    world.must(with_address("c4", "app", &["10.9.200.1"]));
    for n in 0..4 {
        assert_eq!(
            world.connect(&format!("c{n}"), "app"),
            format!("10.9.8.{n}/16")
        );
    }
    world.must(disconnect("c4", "app"));
    let refusal = world.refused(Command::Connect(Connect::tap("c4", "app")));
    assert_eq!(refusal.code(), "addresses-exhausted");
}

#[test]
fn a_mac_address_is_local_unique_and_the_same_in_every_run() {
    let given = || {
        let mut world = World::new();
        let names = add_containers(&mut world, 20);
        let endpoints = names.iter().map(|name| {
            world.connect(name, "bridge");
            let container = world.ledger.container(&name.as_str().into()).unwrap();
            world.ledger.endpoints_of(container.id).next().unwrap().mac
        });
        endpoints.collect::<Vec<MacAddress>>()
    };
    let macs = given();
    assert!(macs.iter().all(|mac| mac.octets()[0] == 2));
    assert_eq!(macs.iter().collect::<BTreeSet<_>>().len(), 20);
    assert_eq!(given(), macs);
}

#[test]
fn a_chosen_mac_address_is_kept_and_is_nobody_elses() {
    let mut world = World::new();
    add_containers(&mut world, 2);
    let mac: MacAddress = "02:42:ac:11:00:09".parse().unwrap();
    let request = |container: &str| {
        let mut request = Connect::tap(container, "bridge");
        request.mac = Some(mac);
        Command::Connect(request)
    };
    match world.must(request("c0")) {
        Answer::Connected { mac: given, .. } => assert_eq!(given, mac),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.ledger.endpoint_with(mac).map(|e| e.mac), Some(mac));
    let refusal = world.refused(request("c1"));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("mac-taken", RefusalKind::Conflict)
    );
    assert!(refusal.to_string().contains("container c0"), "{refusal}");
    world.disconnect("c0", "bridge");
    world.must(request("c1"));
}

#[test]
fn a_hashed_mac_address_that_is_taken_is_hashed_again() {
    let mut world = World::new();
    add_containers(&mut world, 2);
    let mut twin = World::new();
    add_containers(&mut twin, 2);
    let seed = world.seed;
    world.connect("c0", "bridge");
    let mac = world.ledger.endpoints().next().unwrap().mac;
    // The twin is about to make the same endpoint id, but another has the address hashed from it.
    twin.seed = seed + 1;
    let mut request = Connect::tap("c1", "bridge");
    request.mac = Some(mac);
    twin.must(Command::Connect(request));
    twin.seed = seed;
    twin.connect("c0", "bridge");
    let (ours, other) = (&world.ledger, &twin.ledger);
    let id = ours.endpoints().next().unwrap().id;
    assert_ne!(other.endpoint(id).unwrap().mac, mac);
}

#[test]
fn an_address_leads_to_its_network_and_endpoint() {
    let mut world = World::new();
    add_containers(&mut world, 1);
    world.network("app", &["10.9.8.0/24"]);
    world.connect("c0", "app");
    let at = |text: &str| text.parse::<IpAddr>().unwrap();
    let network = world.ledger.network_at(at("10.9.8.77")).unwrap();
    assert_eq!(network.name.as_str(), "app");
    assert!(world.ledger.endpoint_at(at("10.9.8.2")).is_some());
    assert!(world.ledger.endpoint_at(at("10.9.8.3")).is_none());
    assert!(world.ledger.endpoint_at(at("10.9.9.2")).is_none());
    assert!(world.ledger.network_at(at("::1")).is_none());
}
