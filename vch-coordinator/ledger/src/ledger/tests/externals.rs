//! External networks come from the configuration alone, and change with it.

mod refused;

use super::{World, external};
use crate::{
    AddressRange, Answer, Command, Connect, ExternalAddressing, ExternalNetwork, NetworkId,
    NetworkName, RefusalKind, Settings, VchId,
};
use protocol::spec::{FirewallLevel, NetSpec};

fn default_external() -> ExternalNetwork {
    external("outside", "10.2.0.0/16", true)
}

fn production() -> ExternalNetwork {
    external("production", "208.91.3.0/24", false)
}

fn world() -> World {
    let mut settings = Settings::of(VchId([7; 16]));
    settings.externals = vec![default_external(), production()];
    World::with(settings)
}

fn configure(wanted: &[ExternalNetwork]) -> Command {
    Command::Configure(wanted.to_vec())
}

/// Reads a configuration; returns how many networks were added, changed and removed.
fn configured(world: &mut World, wanted: &[ExternalNetwork]) -> (usize, usize, usize) {
    match world.must(configure(wanted)) {
        Answer::Configured {
            added,
            changed,
            removed,
        } => (added.len(), changed.len(), removed.len()),
        other => panic!("{other:?}"),
    }
}

fn outside(world: &World) -> NetworkId {
    world.ledger.network(&"outside".into()).unwrap().id
}

fn spec(world: &World, name: &str) -> NetSpec {
    let id = world.ledger.container(&name.into()).unwrap().id;
    world.ledger.spec(id).expect("it runs")
}

#[test]
fn the_configured_networks_are_there_from_the_start() {
    let world = world();
    let names: Vec<&str> = ["none", "bridge", "outside", "production"].into();
    assert_eq!(world.ledger.networks().len(), names.len());
    for name in names {
        let network = world.ledger.network(&name.into()).unwrap();
        assert!(network.predefined, "{name}");
    }
    let settings = world.ledger.settings().clone();
    let outside = world.ledger.network(&"outside".into()).unwrap();
    assert_eq!(outside.subnets, settings.externals[0].subnets);
    assert_eq!(outside.external(), Some(&settings.externals[0].external));
}

#[test]
fn the_default_bridge_keeps_away_from_them() {
    let mut settings = Settings::of(VchId([7; 16]));
    settings.externals = vec![external("outside", "172.16.0.0/15", true)];
    let world = World::with(settings.clone());
    let bridge = world.ledger.network(&"bridge".into()).unwrap();
    assert_eq!(bridge.subnets[0].net.to_string(), "172.18.0.0/16");
    settings.default_bridge.net = Some("172.16.5.0/24".parse().unwrap());
    let mut world = World::bare(settings);
    let refused = world.with_environment(|ledger, environment| ledger.bootstrap(environment));
    let refusal = refused.unwrap_err();
    assert_eq!(refusal.code(), "route-overlap");
    assert!(refusal.to_string().contains("172.16.0.0/15"), "{refusal}");
}

#[test]
fn a_start_with_another_file_is_a_configuration_like_any_other() {
    let world = world();
    let mut settings = world.ledger.settings().clone();
    settings.externals = vec![external("outside", "10.2.0.0/15", true)];
    let rows = world.store.values().cloned();
    let ledger = crate::Ledger::load(settings, rows, world.ledger.revision()).unwrap();
    let mut again = World {
        ledger,
        ..World::bare(Settings::of(VchId([7; 16])))
    };
    again.store = world.store.clone();
    let done = again.with_environment(|ledger, environment| ledger.bootstrap(environment));
    again.follow(&done.unwrap().expect("something is different"));
    assert!(again.ledger.network(&"production".into()).is_err());
    let outside = again.ledger.network(&"outside".into()).unwrap();
    assert_eq!(outside.subnets[0].net.to_string(), "10.2.0.0/15");
    let nothing = again.with_environment(|ledger, environment| ledger.bootstrap(environment));
    assert_eq!(nothing, Ok(None));
}

#[test]
fn network_commands_do_not_make_or_remove_them() {
    let mut world = world();
    let refusal = world.refused(Command::RemoveNetwork("outside".into()));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("network-predefined", RefusalKind::Forbidden)
    );
    assert!(
        refusal
            .to_string()
            .starts_with("outside is a pre-defined network and cannot be removed"),
        "{refusal}"
    );
    let create = Command::CreateNetwork(super::network("outside", &[]));
    let refusal = world.refused(create);
    assert_eq!(refusal.code(), "network-name-predefined");
    assert!(
        refusal
            .to_string()
            .starts_with("operation is not permitted on predefined outside network "),
        "{refusal}"
    );
}

/// Use case 4: an address there, a route through its gateway, no NAT.
#[test]
fn a_container_outside_has_an_address_a_route_and_the_networks_name_servers() {
    let mut settings = Settings::of(VchId([7; 16]));
    let mut there = default_external();
    let servers = ["10.2.0.53", "10.2.0.54", "10.2.0.55", "10.2.0.56"];
    there.external.dns = servers.map(|one| one.parse().unwrap()).into();
    settings.externals = vec![there, production()];
    let mut world = World::with(settings);
    world.running("web");
    assert_eq!(world.connect("web", "outside"), "10.2.0.3/16");
    let made = spec(&world, "web");
    let parts = made.parts();
    let routes = &parts.interfaces[0].routes;
    assert_eq!(routes.len(), 1);
    assert_eq!(routes[0].gateway, Some("10.2.0.1".parse().unwrap()));
    let shown = |spec: &NetSpec| -> Vec<String> {
        let resolver = spec.parts().resolver.iter();
        let servers = resolver.flat_map(|resolver| resolver.servers());
        servers.map(ToString::to_string).collect()
    };
    assert_eq!(shown(&made), servers[..3], "as many as resolv.conf has");
    world.connect("web", "bridge");
    assert_eq!(
        shown(&spec(&world, "web")),
        ["172.17.0.1"],
        "with a bridge the VCH is asked, and it alone"
    );
    // Its own servers come before the network's.
    let mut request = super::container("own");
    request.dns.servers = vec!["192.0.2.53".parse().unwrap()];
    world.must(Command::AddContainer(request));
    world.start("own");
    world.connect("own", "production");
    assert_eq!(shown(&spec(&world, "own")), ["192.0.2.53"]);
    world.running("app");
    world.connect("app", "production");
    assert_eq!(spec(&world, "app").parts().resolver, None, "nobody to ask");
}

#[test]
fn a_network_without_a_gateway_gives_no_default_route() {
    let mut settings = Settings::of(VchId([7; 16]));
    let mut dead_end = default_external();
    dead_end.subnets[0].gateway = None;
    settings.externals = vec![dead_end];
    let mut world = World::with(settings);
    world.running("web");
    // The gateway's address is a host's like any other there.
    assert_eq!(world.connect("web", "outside"), "10.2.0.1/16");
    world.connect("web", "bridge");
    let made = spec(&world, "web");
    let routes = made.parts().interfaces.iter().map(|nic| nic.routes.len());
    assert_eq!(routes.collect::<Vec<_>>(), [0, 1]);
    let way_out = &made.parts().interfaces[1].routes[0];
    assert_eq!(
        (way_out.metric, way_out.gateway),
        (0, "172.17.0.1".parse().ok())
    );
}

#[test]
fn addresses_come_from_the_given_ranges_and_are_never_the_vchs_own() {
    let mut settings = Settings::of(VchId([7; 16]));
    let mut there = default_external();
    let range = |first: &str, last: &str| {
        AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
    };
    there.subnets[0].ranges = vec![range("10.2.0.1", "10.2.0.3"), range("10.2.9.5", "10.2.9.5")];
    settings.externals = vec![there];
    let mut world = World::with(settings);
    for (name, address) in [("c1", "10.2.0.3/16"), ("c2", "10.2.9.5/16")] {
        world.container(name);
        assert_eq!(world.connect(name, "outside"), address);
    }
    world.container("c3");
    let connect = Command::Connect(Connect::tap("c3", "outside"));
    assert_eq!(world.refused(connect).code(), "addresses-exhausted");
    let chosen = |address: &str| {
        let mut request = Connect::tap("c3", "outside");
        request.addresses = vec![address.parse().unwrap()];
        Command::Connect(request)
    };
    let refusal = world.refused(chosen("10.2.0.2"));
    assert_eq!(refusal.code(), "address-reserved");
    assert!(refusal.to_string().contains("the VCH"), "{refusal}");
    world.must(chosen("10.2.77.7"));
}

#[test]
fn networks_come_change_and_go() {
    let mut world = world();
    let before = outside(&world);
    assert_eq!(
        configured(&mut world, &[default_external(), production()]),
        (0, 0, 0)
    );
    let mut wider = default_external();
    wider.external.level = FirewallLevel::Peers;
    let more = external("more", "192.0.2.0/24", false);
    assert_eq!(
        configured(&mut world, &[wider.clone(), more.clone()]),
        (1, 1, 1)
    );
    assert_eq!(outside(&world), before, "the same network");
    assert_eq!(
        world.ledger.settings().externals,
        [wider.clone(), more.clone()],
        "the settings follow"
    );
    // Another name for the same subnet is another network.
    let renamed = ExternalNetwork {
        name: "less".parse().unwrap(),
        ..more
    };
    assert_eq!(configured(&mut world, &[wider, renamed]), (1, 0, 1));
}

#[test]
fn a_subnet_grows_under_its_containers() {
    let mut settings = Settings::of(VchId([7; 16]));
    settings.externals = vec![external("outside", "10.2.0.0/24", true)];
    let mut world = World::with(settings);
    for name in ["web", "db"] {
        world.running(name);
        world.connect(name, "outside");
    }
    world.connect("web", "bridge");
    world.running("else");
    world.connect("else", "bridge");
    world.disconnect("db", "outside");
    world.connect("db", "outside");
    let bystander = spec(&world, "else");
    let old = spec(&world, "web");
    let mut grown = external("outside", "10.2.0.0/16", true);
    grown.subnets[0].gateway = Some("10.2.255.254".parse().unwrap());
    assert_eq!(configured(&mut world, &[grown]), (0, 1, 0));
    let new = spec(&world, "web");
    assert!(new.id().generation > old.id().generation);
    let nic = &new.parts().interfaces[0];
    assert_eq!(super::list(nic.addresses()), "10.2.0.3/16");
    assert_eq!(nic.routes[0].gateway, Some("10.2.255.254".parse().unwrap()));
    assert_eq!(nic.mac, old.parts().interfaces[0].mac);
    assert_eq!(spec(&world, "else"), bystander);
    // What rests still does, and the search goes on where it stood.
    world.container("next");
    assert_eq!(world.connect("next", "outside"), "10.2.0.6/16");
    reload(&world);
}

/// Checks that the rows make the same ledger.
fn reload(world: &World) {
    let rows = world.store.values().cloned();
    let settings = world.ledger.settings().clone();
    let loaded = crate::Ledger::load(settings, rows, world.ledger.revision());
    assert_eq!(loaded.as_ref(), Ok(&world.ledger));
}

#[test]
fn two_subnets_that_become_one_keep_what_is_known_of_them() {
    let mut settings = Settings::of(VchId([7; 16]));
    let mut there = external("outside", "10.2.0.0/29", true);
    there
        .subnets
        .extend(external("x", "10.2.0.8/29", true).subnets);
    settings.externals = vec![there];
    let mut world = World::with(settings);
    for n in 0..7 {
        let name = format!("c{n}");
        world.container(&name);
        world.connect(&name, "outside");
    }
    world.disconnect("c6", "outside");
    world.disconnect("c0", "outside");
    configured(&mut world, &[external("outside", "10.2.0.0/24", true)]);
    reload(&world);
    configured(&mut world, &[external("outside", "10.2.0.0/28", true)]);
    reload(&world);
}

#[test]
fn a_network_with_dhcp_is_known_and_nothing_can_be_connected_to_it_yet() {
    let mut world = world();
    let mut dynamic = external("dynamic", "192.0.2.0/24", false);
    dynamic.subnets.clear();
    dynamic.external.addressing = ExternalAddressing::Dhcp;
    assert_eq!(
        configured(&mut world, &[default_external(), dynamic]),
        (1, 0, 1)
    );
    world.container("web");
    let refusal = world.refused(Command::Connect(Connect::tap("web", "dynamic")));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("external-dhcp", RefusalKind::Forbidden)
    );
    let text = refusal.to_string();
    assert!(
        text.contains("dynamic") && text.contains("dynamic0"),
        "{text}"
    );
}

#[test]
fn names_on_an_external_network_are_those_of_its_containers() {
    let mut world = world();
    world.running("web");
    world.connect("web", "production");
    let endpoint = world.ledger.endpoints().next().unwrap();
    let full = "web.production".to_owned();
    assert!(endpoint.names.iter().any(|name| name.as_str() == full));
    let name: NetworkName = "production".parse().unwrap();
    assert_eq!(
        world.ledger.network_by_id(endpoint.network).unwrap().name,
        name
    );
}
