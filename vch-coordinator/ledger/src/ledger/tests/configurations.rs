//! Networks that only configure others.

use super::{World, network};
use crate::{
    BridgeOptions, Command, Configuration, Connect, CreateNetwork, Ledger, Network, NetworkKind,
    SegmentKind,
};

fn configuration(name: &str, subnets: &[&str]) -> CreateNetwork {
    CreateNetwork {
        labels: [("of".to_owned(), "a configuration".to_owned())].into(),
        bridge: BridgeOptions {
            icc: false,
            ..BridgeOptions::default()
        },
        document: "kept".into(),
        mtu: Some(1400.try_into().unwrap()),
        dns_ttl: 300.try_into().ok(),
        segment: Some(SegmentKind::Shared),
        configuration: Configuration::ForOthers,
        ..network(name, subnets)
    }
}

fn of(name: &str, configuration: &str) -> Command {
    Command::CreateNetwork(CreateNetwork {
        configuration: Configuration::Of(configuration.into()),
        ..network(name, &[])
    })
}

fn network_row<'a>(world: &'a World, name: &str) -> &'a Network {
    world.ledger.network(&name.into()).unwrap()
}

/// Checks that the stored rows make the same ledger.
fn loads_again(world: &World) {
    let rows = world.store.values().cloned();
    let ledger = &world.ledger;
    let again = Ledger::load(ledger.settings().clone(), rows, ledger.revision());
    assert_eq!(again.as_ref(), Ok(ledger));
}

#[test]
fn a_network_is_made_of_a_configuration_and_has_all_of_it() {
    let mut world = World::new();
    let request = configuration("later", &["10.99.0.0/16", "fd00:99::/64"]);
    world.must(Command::CreateNetwork(request));
    let later = network_row(&world, "later").clone();
    assert_eq!(later.kind, NetworkKind::Configuration(SegmentKind::Shared));

    world.must(of("web", "later"));
    let web = network_row(&world, "web");
    assert_eq!(web.kind, NetworkKind::Bridge(SegmentKind::Shared));
    assert_eq!(web.subnets, later.subnets);
    assert_eq!((&web.labels, web.mtu), (&later.labels, later.mtu));
    assert_eq!((&web.bridge, &*web.document), (&later.bridge, "kept"));
    assert_eq!(web.dns_ttl.map(u32::from), Some(300));
    assert_eq!(web.configuration, Some(later.id));
    // Its subnets are web's alone now.
    let again = world.refused(of("again", "later"));
    assert_eq!(again.code(), "subnet-overlap");
    loads_again(&world);
}

#[test]
fn a_configuration_is_in_nobodys_way_and_one_without_subnets_leaves_them_to_the_pools() {
    let mut world = World::new();
    for name in ["one", "two"] {
        let request = configuration(name, &["10.99.0.0/16"]);
        world.must(Command::CreateNetwork(request));
    }
    world.network("own", &["10.99.0.0/16"]);
    world.must(Command::CreateNetwork(configuration("empty", &[])));
    assert!(network_row(&world, "empty").subnets.is_empty());
    world.must(of("web", "empty"));
    assert_eq!(
        network_row(&world, "web").subnets[0].net.to_string(),
        "172.18.0.0/16"
    );
    world.must(Command::RemoveNetwork("one".into()));
    let overlap = world.refused(of("of-two", "two"));
    assert_eq!(overlap.code(), "subnet-overlap");
    loads_again(&world);
}

#[test]
fn a_configuration_stays_while_a_network_is_made_of_it_and_nobody_is_on_it() {
    let mut world = World::new();
    let request = configuration("later", &["10.99.0.0/16"]);
    world.must(Command::CreateNetwork(request));
    world.must(of("web", "later"));
    world.container("cc");
    let connect = |network: &str| Command::Connect(Connect::tap("cc", network));
    let refused = world.refused(connect("later"));
    assert_eq!(refused.code(), "network-is-configuration");
    world.must(connect("web"));
    let used = world.refused(Command::RemoveNetwork("later".into()));
    assert_eq!(used.code(), "configuration-in-use");
    world.disconnect("cc", "web");
    world.must(Command::RemoveNetwork("web".into()));
    world.must(Command::RemoveNetwork("later".into()));
}

#[test]
fn what_is_no_configuration_is_said_to_be_none() {
    let mut world = World::new();
    world.network("web", &["10.99.0.0/16"]);
    for other in ["nothing", "web", "bridge"] {
        let refused = world.refused(of("x", other));
        assert_eq!(refused.code(), "no-configuration");
        let text = format!("configuration network \"{other}\" does not exist");
        assert!(refused.to_string().starts_with(&text), "{refused}");
    }
}
