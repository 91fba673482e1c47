//! The differences that changes make, checked in nft's syntax.

use super::*;
use crate::nat::ruleset::Ruleset;
use crate::nat::things::On;
use protocol::spec::FirewallLevel;
use std::net::IpAddr;
use vch_ledger::desired::Segment;
use vch_ledger::{ContainerId, External, ExternalAddressing, PortNumber, Protocol};

fn id<T: vch_ledger::Id>(number: u8) -> T {
    T::from_bytes([number; 32])
}

fn state() -> NatState {
    NatState::new(NatEnvironment {
        private: ["eth1".parse().unwrap()].into(),
        private_addresses: ["192.0.2.1".parse().unwrap()].into(),
    })
}

fn network(segment: Segment, internal: bool) -> NetworkBacking {
    NetworkBacking {
        segment,
        subnets: Vec::new(),
        addresses: vec!["172.18.0.1/16".parse().unwrap()],
        mtu: None,
        dns_ttl: None,
        internal,
        isolated: false,
        untranslated: false,
    }
}

fn dedicated(name: &str, internal: bool) -> NetworkBacking {
    network(Segment::Dedicated(name.parse().unwrap()), internal)
}

fn shared() -> NetworkBacking {
    network(Segment::Shared("vch-shared".parse().unwrap()), false)
}

fn port(on: On) -> FilteredPort {
    FilteredPort {
        network: id(1),
        name: "vt-1".parse().unwrap(),
        mac: "02:00:00:00:00:07".parse().unwrap(),
        addresses: vec!["172.18.0.2".parse().unwrap()],
        on,
    }
}

fn binding(port: u16, address: Option<&str>, clients: &[&str]) -> PortBinding {
    PortBinding {
        host: HostPort {
            protocol: Protocol::Tcp,
            address: address.map(|address| address.parse().unwrap()),
            port,
        },
        container: id::<ContainerId>(1),
        endpoint: id(1),
        container_port: 80,
        target: ["172.18.0.2", "fd00::2"]
            .map(|a| a.parse::<IpAddr>().unwrap())
            .into(),
        clients: clients.iter().map(|net| net.parse().unwrap()).collect(),
        ephemeral: false,
    }
}

fn networks(changes: impl IntoIterator<Item = (u8, Option<NetworkBacking>)>) -> Changes {
    let networks = changes.into_iter().map(|(number, one)| (id(number), one));
    Changes {
        networks: networks.collect(),
        ..Changes::default()
    }
}

fn ports(changes: impl IntoIterator<Item = (u8, Option<FilteredPort>)>) -> Changes {
    let ports = changes.into_iter().map(|(number, one)| (id(number), one));
    Changes {
        ports: ports.collect(),
        ..Changes::default()
    }
}

fn bindings(changes: impl IntoIterator<Item = (PortBinding, bool)>) -> Changes {
    let bindings = changes
        .into_iter()
        .map(|(one, stays)| (one.host, stays.then_some(one)));
    Changes {
        bindings: bindings.collect(),
        ..Changes::default()
    }
}

/// Returns the difference of a change in nft's syntax, without `element`.
fn operations(state: &mut NatState, changes: Changes) -> Vec<String> {
    let difference = state.change(changes).unwrap();
    let batch = Ruleset::new().unwrap().change(&difference).unwrap();
    let words = batch.operations().iter().map(ToString::to_string);
    words.map(|words| words.replace(" element ", " ")).collect()
}

#[test]
fn a_network_that_comes_is_one_element_a_set() {
    let mut state = state();
    let come = [
        "add inet vch bridges { \"br-1\" }",
        "add inet vch intra_bridge { \"br-1\" . \"br-1\" }",
        "add inet vch gateways4 { 172.18.0.1 }",
        "add inet vch allowed_gateways4 { \"br-1\" . 172.18.0.1 }",
        "add inet vch open_gateways4 { 172.18.0.1 }",
    ];
    let change = || networks([(1, Some(dedicated("br-1", false)))]);
    assert_eq!(operations(&mut state, change()), come);
    assert_eq!(operations(&mut state, change()), [""; 0], "the same again");
    let go = come.map(|words| words.replace("add ", "delete "));
    assert_eq!(operations(&mut state, networks([(1, None)])), go);
    assert_eq!(operations(&mut state, networks([(1, None)])), [""; 0]);
}

#[test]
fn a_network_without_a_way_out_is_one_element_more_and_publishes_nothing() {
    let mut state = state();
    operations(&mut state, networks([(1, Some(dedicated("br-1", false)))]));
    assert_eq!(
        operations(&mut state, networks([(1, Some(dedicated("br-1", true)))])),
        [
            "delete inet vch open_gateways4 { 172.18.0.1 }",
            "add inet vch internal { \"br-1\" }",
        ]
    );
}

#[test]
fn the_shared_bridge_goes_with_the_last_network_on_it() {
    let mut state = state();
    assert_eq!(
        operations(&mut state, networks([(1, Some(shared()))])).len(),
        5
    );
    let mut other = shared();
    other.addresses = vec!["172.19.0.1/16".parse().unwrap()];
    assert_eq!(
        operations(&mut state, networks([(2, Some(other))])),
        [
            "add inet vch gateways4 { 172.19.0.1 }",
            "add inet vch allowed_gateways4 { \"vch-shared\" . 172.19.0.1 }",
            "add inet vch open_gateways4 { 172.19.0.1 }",
        ]
    );
    assert_eq!(operations(&mut state, networks([(1, None)])).len(), 3);
    assert_eq!(operations(&mut state, networks([(2, None)])).len(), 5);
}

#[test]
fn a_port_is_known_by_its_mac_address_addresses_and_network() {
    let mut state = state();
    operations(&mut state, networks([(1, Some(dedicated("br-1", false)))]));
    let come = [
        "add bridge vch macs { \"vt-1\" . 02:00:00:00:00:07 }",
        "add bridge vch sources4 { \"vt-1\" . 02:00:00:00:00:07 . 172.18.0.2 }",
        "add bridge vch sources6 { \"vt-1\" . 02:00:00:00:00:07 . fe80::ff:fe00:7 }",
        "add bridge vch segments { \"vt-1\" : 0x01010101 }",
        "add bridge vch members { \"vt-1\" . 0x01010101 }",
    ];
    let change = ports([(1, Some(port(On::Dedicated)))]);
    let mut found = operations(&mut state, change);
    found.sort();
    let mut sorted = come.map(str::to_owned);
    sorted.sort();
    assert_eq!(found, sorted);
    let other = FilteredPort {
        addresses: vec!["172.18.0.3".parse().unwrap()],
        ..port(On::Dedicated)
    };
    assert_eq!(
        operations(&mut state, ports([(1, Some(other))])),
        [
            "delete bridge vch sources4 { \"vt-1\" . 02:00:00:00:00:07 . 172.18.0.2 }",
            "add bridge vch sources4 { \"vt-1\" . 02:00:00:00:00:07 . 172.18.0.3 }",
        ]
    );
    assert_eq!(operations(&mut state, ports([(1, None)])).len(), 5);
}

#[test]
fn an_opened_port_is_one_element_and_only_where_the_level_is_published() {
    let mut state = state();
    let external = External {
        interface: "eth0".parse().unwrap(),
        dns: Vec::new(),
        addressing: ExternalAddressing::Static,
        level: FirewallLevel::Published,
        published: true,
    };
    let change = networks([(1, Some(network(Segment::External(external), false)))]);
    assert_eq!(
        operations(&mut state, change),
        [
            "add inet vch external { \"eth0\" }",
            "add inet vch default4 { 172.18.0.1 }",
        ]
    );
    let external = |level, opened: &[u16]| {
        let opened = opened.iter().map(|port| PortNumber {
            protocol: Protocol::Tcp,
            port: *port,
        });
        let on = On::External {
            link: "eth0".parse().unwrap(),
            level,
            opened: opened.collect(),
        };
        ports([(1, Some(port(on)))])
    };
    operations(&mut state, external(FirewallLevel::Published, &[]));
    let change = external(FirewallLevel::Published, &[80]);
    assert_eq!(
        operations(&mut state, change),
        ["add bridge vch opened { \"vt-1\" . tcp . 80 }"]
    );
    let change = external(FirewallLevel::Peers, &[80]);
    assert_eq!(
        operations(&mut state, change),
        [
            "delete bridge vch opened { \"vt-1\" . tcp . 80 }",
            "add bridge vch peers_allowed { \"vt-1\" }",
        ]
    );
    let change = external(FirewallLevel::Open, &[80]);
    assert_eq!(
        operations(&mut state, change),
        [
            "delete bridge vch restricted { \"vt-1\" }",
            "delete bridge vch peers_allowed { \"vt-1\" }",
            "delete bridge vch leaving_of { \"vt-1\" : jump leaving-vt-1 }",
            "delete bridge vch arriving_of { \"vt-1\" : jump arriving-vt-1 }",
            "flush chain bridge vch leaving-vt-1",
            "delete chain bridge vch leaving-vt-1",
            "flush chain bridge vch arriving-vt-1",
            "delete chain bridge vch arriving-vt-1",
            "delete set bridge vch flows4-vt-1",
            "delete set bridge vch echoes4-vt-1",
            "delete set bridge vch flows6-vt-1",
            "delete set bridge vch echoes6-vt-1",
        ]
    );
}

#[test]
fn a_binding_is_one_element_for_each_family() {
    let mut state = state();
    assert_eq!(
        operations(&mut state, bindings([(binding(8080, None, &[]), true)])),
        [
            "add inet vch published_default4 { tcp . 8080 : 172.18.0.2 . 80 }",
            "add inet vch published_default6 { tcp . 8080 : fd00::2 . 80 }",
        ]
    );
    let one = binding(8080, Some("10.2.0.1"), &[]);
    assert_eq!(
        operations(&mut state, bindings([(one, true)])),
        ["add inet vch published4 { 10.2.0.1 . tcp . 8080 : 172.18.0.2 . 80 }"]
    );
    let any = binding(8080, Some("::"), &[]);
    assert_eq!(
        operations(&mut state, bindings([(any, true)])),
        ["add inet vch published_any6 { tcp . 8080 : fd00::2 . 80 }"]
    );
    let mut moved = binding(8080, None, &[]);
    moved.target = vec!["172.18.0.9".parse().unwrap()];
    assert_eq!(
        operations(&mut state, bindings([(moved, true)])),
        [
            "delete inet vch published_default4 { tcp . 8080 : 172.18.0.2 . 80 }",
            "delete inet vch published_default6 { tcp . 8080 : fd00::2 . 80 }",
            "add inet vch published_default4 { tcp . 8080 : 172.18.0.9 . 80 }",
        ]
    );
}

#[test]
fn the_chain_of_a_list_comes_with_its_first_binding_and_goes_with_its_last() {
    let mut state = state();
    let some = |port| binding(port, Some("10.2.0.1"), &["10.0.0.0/8"]);
    let first = operations(&mut state, bindings([(some(1), true)]));
    assert_eq!(
        first.len(),
        5,
        "a chain, two rules, two elements: {first:?}"
    );
    assert!(first[0].starts_with("add chain inet vch clients-"));
    assert!(first[3].contains("{ 10.2.0.1 . tcp . 1 : 172.18.0.2 . 80 }"));
    assert!(first[4].contains(": jump clients-"));
    assert_eq!(operations(&mut state, bindings([(some(2), true)])).len(), 2);
    assert_eq!(
        operations(&mut state, bindings([(some(1), false)])).len(),
        2
    );
    let last = operations(&mut state, bindings([(some(2), false)]));
    assert!(
        last[3].starts_with("delete chain inet vch clients-"),
        "{last:?}"
    );
}

#[test]
fn numbers_of_networks_are_none_and_never_twice_the_same() {
    let mut numbers = Numbers::default();
    let network = |first: [u8; 4], last| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&first);
        bytes[31] = last;
        NetworkId::from_bytes(bytes)
    };
    for network in [
        network([0; 4], 1),
        network([0, 0, 0, 1], 2),
        network([0xff; 4], 3),
        network([0xff; 4], 4),
    ] {
        numbers.give(network);
        numbers.give(network);
    }
    let found: Vec<u32> = numbers.by_number.keys().copied().collect();
    assert_eq!(found, [1, 2, 3, u32::MAX]);
    numbers.take(network([0; 4], 1));
    assert_eq!(numbers.get(network([0; 4], 1)), None);
    numbers.give(network([0; 4], 9));
    assert_eq!(numbers.get(network([0; 4], 9)), Some(1));
}
