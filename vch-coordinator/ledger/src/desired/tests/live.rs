//! The state that is in force only while containers run.

use super::*;
use crate::{
    ContainerPort, External, ExternalAddressing, ExternalNetwork, Protocol, Publish, Subnet,
};

fn link(container: &str, network: &str, to: &str, alias: &str) -> Command {
    Command::Connect(Connect {
        links: vec![(to.into(), alias.parse().unwrap())],
        ..Connect::tap(container, network)
    })
}

fn links(delta: &Delta) -> Vec<(String, String, bool)> {
    let links = delta.links.iter();
    links
        .map(|((_, alias, address), answers)| (alias.to_string(), address.to_string(), *answers))
        .collect()
}

fn one(alias: &str, address: &str, answers: bool) -> Vec<(String, String, bool)> {
    vec![(alias.to_owned(), address.to_owned(), answers)]
}

#[test]
fn a_link_answers_its_owner_while_the_other_one_has_names_there() {
    let mut world = DeltaWorld::furnished();
    world.delta(add("db"));
    // The endpoint is not there yet, then it is, without names, then it has some.
    let linked = world.delta(link("web", "app", "db", "Store"));
    assert!(linked.links.is_empty());
    let connected = world.delta(Command::Connect(Connect::tap("db", "app")));
    assert!(connected.links.is_empty());
    let started = world.delta(Command::StartContainer("db".into()));
    let store = one("store", "10.9.8.3", true);
    assert_eq!(links(&started), store);
    let (asker, ..) = only_key(&started.links);
    assert_eq!(
        asker,
        world.ledger.container(&"web".into()).unwrap().id,
        "private to the one that has the link"
    );
    assert_eq!(links(&Delta::whole(&world.ledger)), store);
    // A change that takes nothing away says nothing.
    let renamed = world.delta(Command::RenameContainer {
        container: "db".into(),
        name: "other".parse().unwrap(),
    });
    assert!(renamed.links.is_empty());
    let gone = one("store", "10.9.8.3", false);
    let stopped = world.delta(Command::StopContainer("other".into()));
    assert_eq!(links(&stopped), gone);
    world.delta(Command::StartContainer("other".into()));
    let removed = world.delta(Command::RemoveContainer {
        container: "other".into(),
        force: true,
    });
    assert_eq!(links(&removed), gone);
    assert!(Delta::whole(&world.ledger).links.is_empty());
    let endpoint = world.ledger.endpoints().next().unwrap();
    assert!(endpoint.links.is_empty(), "no row names what is gone");
}

#[test]
fn a_link_goes_with_the_endpoint_that_has_it() {
    let mut world = DeltaWorld::furnished();
    world.delta(add("db"));
    world.delta(Command::Connect(Connect::tap("db", "app")));
    world.delta(Command::StartContainer("db".into()));
    let connected = world.delta(link("web", "app", "db", "store"));
    assert_eq!(links(&connected), one("store", "10.9.8.2", true));
    assert_eq!(
        links(&world.delta(disconnect())),
        one("store", "10.9.8.2", false)
    );
}

fn only_key<K: Clone, V>(map: &BTreeMap<K, V>) -> K {
    assert_eq!(map.len(), 1);
    map.keys().next().unwrap().clone()
}

fn published(port: u16, host: u16) -> ContainerPort {
    ContainerPort {
        number: PortNumber {
            protocol: Protocol::Tcp,
            port,
        },
        publish: Some(Publish {
            port: Some(host),
            ..Publish::default()
        }),
    }
}

#[test]
fn a_published_port_is_a_binding_before_and_after() {
    let mut world = DeltaWorld::new();
    world.delta(add("web"));
    world.delta(Command::Connect(Connect::tap("web", "bridge")));
    let request = Command::PublishPorts {
        container: "web".into(),
        ports: vec![published(80, 8080)],
    };
    assert!(world.delta(request).bindings.is_empty(), "it does not run");
    let started = world.delta(Command::StartContainer("web".into()));
    let bindings = only(&started.bindings);
    assert_eq!(bindings.before, None);
    let after = bindings.after.as_ref().unwrap();
    assert_eq!((after.host.port, after.container_port), (8080, 80));
    let stopped = world.delta(Command::StopContainer("web".into()));
    assert_eq!(only(&stopped.bindings).before.as_ref(), Some(after));
    assert_eq!(only(&stopped.bindings).after, None);
}

fn outside(interface: &str, level: FirewallLevel) -> Command {
    Command::Configure(vec![ExternalNetwork {
        name: "outside".parse().unwrap(),
        subnets: vec![Subnet {
            net: "10.2.0.0/16".parse().unwrap(),
            gateway: Some("10.2.0.1".parse().unwrap()),
            vch: Some("10.2.0.2".parse().unwrap()),
            ranges: Vec::new(),
            auxiliary: BTreeMap::new(),
        }],
        external: External {
            interface: interface.parse().unwrap(),
            dns: Vec::new(),
            addressing: ExternalAddressing::Static,
            level,
            published: true,
        },
    }])
}

#[test]
fn a_container_outside_has_open_ports_and_follows_its_networks_link_and_level() {
    let mut world = DeltaWorld::new();
    world.delta(outside("ext0", FirewallLevel::Published));
    world.delta(add("web"));
    let connected = world.delta(Command::Connect(Connect::tap("web", "outside")));
    let endpoint = only(&connected.endpoints).after.clone().unwrap();
    assert_eq!(endpoint.segment.link().to_string(), "ext0");
    assert_eq!(endpoint.level, Some(FirewallLevel::Published));
    let open = |delta: &Delta| only(&delta.endpoints).after.clone().unwrap().opened;
    let request = Command::PublishPorts {
        container: "web".into(),
        ports: vec![published(80, 80)],
    };
    world.delta(request);
    let started = world.delta(Command::StartContainer("web".into()));
    let eighty = PortNumber {
        protocol: Protocol::Tcp,
        port: 80,
    };
    assert_eq!(open(&started), [eighty]);
    assert!(started.bindings.is_empty(), "there is no NAT");
    let delta = world.delta(outside("ext1", FirewallLevel::Closed));
    let change = only(&delta.endpoints);
    let (before, after) = (change.before.as_ref(), change.after.as_ref().unwrap());
    assert_eq!(before.unwrap().segment.link().to_string(), "ext0");
    assert_eq!(before.unwrap().level, Some(FirewallLevel::Published));
    assert_eq!(after.segment.link().to_string(), "ext1");
    assert_eq!(after.level, Some(FirewallLevel::Closed));
    assert_eq!(after.opened, [eighty]);
    assert!(delta.containers.is_empty(), "its VM's network is the same");
}
