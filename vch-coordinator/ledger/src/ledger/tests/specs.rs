use super::{World, container, network};
use crate::{Command, Connect};
use protocol::spec::{HostEntry, NetSpec, NicMatch};

fn spec(world: &World, name: &str) -> NetSpec {
    let id = world.ledger.container(&name.into()).unwrap().id;
    world.ledger.spec(id).expect("it was started")
}

/// Returns interface, network and routes, one line each.
fn routes(world: &World, name: &str) -> Vec<String> {
    let spec = spec(world, name);
    let lines = spec.parts().interfaces.iter().map(|interface| {
        let routes = interface.routes.iter().map(|route| {
            let via = route.gateway.unwrap();
            format!(" {} via {via} metric {}", route.destination, route.metric)
        });
        let routes: String = routes.collect();
        format!(
            "{} {}{routes}",
            interface.name,
            super::list(interface.addresses())
        )
    });
    lines.collect()
}

fn started(name: &str) -> World {
    let mut world = World::new();
    world.container(name);
    world.must(Command::StartContainer(name.into()));
    world
}

fn internal(name: &str, net: &str) -> Command {
    let mut request = network(name, &[net]);
    request.internal = true;
    Command::CreateNetwork(request)
}

#[test]
fn the_root_asks_for_no_search_line_and_other_options_keep_ndots() {
    let mut world = World::new();
    world.must(Command::CreateNetwork(network("app", &["10.9.8.0/24"])));
    for (name, search, options, expected) in [
        (
            "root",
            vec![".", "example"],
            vec!["timeout:1"],
            (vec!["example"], vec!["timeout:1", "ndots:0"]),
        ),
        (
            "none",
            vec!["."],
            vec!["ndots:2"],
            (vec![], vec!["ndots:2"]),
        ),
    ] {
        let mut request = container(name);
        request.dns.search = search
            .iter()
            .map(|domain| domain.parse().unwrap())
            .collect();
        request.dns.options = options.into_iter().map(str::to_owned).collect();
        world.must(Command::AddContainer(request));
        world.must(Command::StartContainer(name.into()));
        world.connect(name, "app");
        let spec = spec(&world, name);
        let resolver = spec.parts().resolver.as_ref().unwrap();
        let search: Vec<&str> = resolver
            .search()
            .iter()
            .map(|domain| domain.as_str())
            .collect();
        let options: Vec<&str> = resolver.options().iter().map(String::as_str).collect();
        assert_eq!((search, options), expected, "{name}");
    }
}

#[test]
fn a_spec_says_all_of_a_container_and_nothing_of_its_peers() {
    let mut world = World::new();
    let mut request = container("web");
    request.hostname = Some("host.example".parse().unwrap());
    request.extra_hosts = vec![HostEntry {
        address: "192.0.2.7".parse().unwrap(),
        name: "db".parse().unwrap(),
    }];
    request.dns.search = vec!["example".parse().unwrap()];
    request.dns.servers = vec!["192.0.2.53".parse().unwrap()];
    world.must(Command::AddContainer(request));
    world.must(Command::StartContainer("web".into()));
    let mut request = network("app", &["10.9.8.0/24"]);
    request.mtu = Some(1400.try_into().unwrap());
    world.must(Command::CreateNetwork(request));
    world.container("peer");
    world.connect("peer", "app");
    world.connect("web", "app");
    let spec = spec(&world, "web");
    let parts = spec.parts();
    assert_eq!(parts.hostname.as_ref().unwrap().as_str(), "host.example");
    let interface = &parts.interfaces[0];
    assert_eq!(interface.name.as_str(), "eth0");
    assert_eq!(interface.mtu, Some(1400.try_into().unwrap()));
    assert_eq!(super::list(interface.addresses()), "10.9.8.3/24");
    let resolver = parts.resolver.as_ref().unwrap();
    assert_eq!(
        resolver.servers(),
        ["10.9.8.1".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(resolver.search()[0].as_str(), "example");
    assert_eq!(resolver.options(), ["ndots:0"]);
    let hosts = parts
        .hosts
        .iter()
        .map(|line| format!("{} {}", line.address, line.name));
    let hosts: Vec<_> = hosts.collect();
    assert_eq!(
        hosts,
        ["192.0.2.7 db", "10.9.8.3 host.example", "10.9.8.3 host"]
    );
}

#[test]
fn a_spec_carries_the_domain_and_the_kernel_settings_that_the_container_asks_for() {
    let mut world = World::new();
    let mut request = container("web");
    request.hostname = Some("box".parse().unwrap());
    request.domain = Some("d.example".parse().unwrap());
    request.sysctls = [
        ("net.ipv6.conf.eth0.accept_ra", "2"),
        ("net/ipv4/conf/eth0.5/forwarding", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    request.dns.options = vec!["timeout:1".to_owned()];
    world.must(Command::AddContainer(request));
    world.start("web");
    assert!(spec(&world, "web").parts().resolver.is_none());
    let mut request = Connect::tap("web", "bridge");
    request.interface = Some("lan.7".parse().unwrap());
    request.sysctls = [(
        "net.ipv4.conf.IFNAME.log_martians".to_owned(),
        "1".to_owned(),
    )]
    .into();
    world.must(Command::Connect(request));
    let spec = spec(&world, "web");
    let parts = spec.parts();
    assert_eq!(parts.interfaces[0].name.as_str(), "lan.7");
    let extension = protocol::spec::Extension::read(&parts.extension);
    assert_eq!(extension.domain.unwrap().as_str(), "d.example");
    let sysctls: Vec<_> = extension.sysctls.iter().collect();
    let expected = [
        ("net/ipv4/conf/eth0.5/forwarding", "1"),
        ("net/ipv4/conf/lan.7/log_martians", "1"),
        ("net/ipv6/conf/eth0/accept_ra", "2"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let expected: Vec<_> = expected.iter().map(|(name, value)| (name, value)).collect();
    assert_eq!(sysctls, expected);
    assert_eq!(
        parts.resolver.as_ref().unwrap().options(),
        ["timeout:1", "ndots:0"]
    );
    let names: Vec<_> = parts.hosts.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["box.d.example", "box"]);
    // A name of another endpoint's is taken, and one that a network asks for is numbered.
    world.network("other", &[]);
    let mut request = Connect::tap("web", "other");
    request.interface = Some("lan.7".parse().unwrap());
    assert_eq!(
        world.refused(Command::Connect(request)).code(),
        "interface-taken"
    );
    let mut lan = crate::CreateNetwork::named("lan".parse().unwrap());
    lan.bridge.interface_prefix = "lan".parse().ok();
    world.must(Command::CreateNetwork(lan));
    world.connect("web", "lan");
    let row = world.ledger.container(&"web".into()).unwrap();
    let interfaces = world
        .ledger
        .endpoints_of(row.id)
        .map(|one| one.interface.to_string());
    let mut interfaces: Vec<_> = interfaces.collect();
    interfaces.sort();
    assert_eq!(interfaces, ["lan.7", "lan0"]);
}

#[test]
fn default_routes_are_ranked_and_internal_networks_have_none() {
    let mut world = started("web");
    world.network("zoo", &["10.1.0.0/24", "fd00:1::/64"]);
    world.network("app", &["10.2.0.0/24"]);
    world.must(internal("aaa", "10.3.0.0/24"));
    for network in ["aaa", "zoo", "app"] {
        world.connect("web", network);
    }
    assert_eq!(
        routes(&world, "web"),
        [
            "eth0 10.3.0.2/24",
            "eth1 10.1.0.2/24 fd00:1::2/64 0.0.0.0/0 via 10.1.0.1 metric 0 ::/0 via fd00:1::1 metric 1024",
            "eth2 10.2.0.2/24 0.0.0.0/0 via 10.2.0.1 metric 1",
        ],
        "not through the internal network, and through the dual-stack one first"
    );
    world.disconnect("web", "zoo");
    assert_eq!(
        routes(&world, "web"),
        [
            "eth0 10.3.0.2/24",
            "eth2 10.2.0.2/24 0.0.0.0/0 via 10.2.0.1 metric 0"
        ]
    );
    let resolver = spec(&world, "web").parts().resolver.clone().unwrap();
    assert_eq!(
        resolver.servers(),
        ["10.2.0.1".parse::<std::net::IpAddr>().unwrap()],
        "nor is the internal network's gateway the name server"
    );
}

#[test]
fn the_first_gateway_is_by_priority_then_by_name() {
    let mut world = started("web");
    for (name, net) in [
        ("beta", "10.1.0.0/24"),
        ("alpha", "10.2.0.0/24"),
        ("zoo", "10.3.0.0/24"),
    ] {
        world.network(name, &[net]);
    }
    world.connect("web", "beta");
    world.connect("web", "alpha");
    let lines = routes(&world, "web");
    assert!(lines[1].contains("via 10.2.0.1 metric 0"), "{lines:?}");
    let mut request = Connect::tap("web", "zoo");
    request.gateway_priority = 1;
    world.must(Command::Connect(request));
    let lines = routes(&world, "web");
    for (line, way_out) in [
        (0, "via 10.1.0.1 metric 2"),
        (1, "via 10.2.0.1 metric 1"),
        (2, "via 10.3.0.1 metric 0"),
    ] {
        assert!(lines[line].contains(way_out), "{lines:?}");
    }
    let resolver = spec(&world, "web").parts().resolver.clone().unwrap();
    assert_eq!(
        resolver.servers(),
        ["10.3.0.1".parse::<std::net::IpAddr>().unwrap()],
        "one name server, which answers for all networks"
    );
}

#[test]
fn a_container_on_internal_networks_has_a_name_server_and_no_default_route() {
    let mut world = started("web");
    world.must(internal("back", "10.3.0.0/24"));
    world.connect("web", "back");
    assert_eq!(routes(&world, "web"), ["eth0 10.3.0.2/24"]);
    let resolver = spec(&world, "web").parts().resolver.clone().unwrap();
    assert_eq!(
        resolver.servers(),
        ["10.3.0.1".parse::<std::net::IpAddr>().unwrap()]
    );
}

#[test]
fn a_container_without_networks_has_a_spec_without_interfaces() {
    let world = started("web");
    let spec = spec(&world, "web");
    assert_eq!(
        (spec.parts().interfaces.len(), &spec.parts().resolver),
        (0, &None)
    );
}

#[test]
fn the_eleventh_interface_comes_after_the_tenth() {
    let mut world = started("web");
    for n in 0..12 {
        world.network(&format!("n{n}"), &[]);
        world.connect("web", &format!("n{n}"));
    }
    let spec = spec(&world, "web");
    let names = spec.parts().interfaces.iter().map(|i| i.name.to_string());
    let expected: Vec<_> = (0..12).map(|n| format!("eth{n}")).collect();
    assert_eq!(names.collect::<Vec<_>>(), expected);
}

#[test]
fn the_largest_container_that_may_be_has_a_spec() {
    let mut world = World::new();
    let label = "h".repeat(63);
    let long = format!("{label}.{label}.{label}.{}", "h".repeat(61));
    let name = format!("{label}.{label}");
    let mut request = container(&name);
    request.hostname = Some("h.".repeat(32).trim_end_matches('.').parse().unwrap());
    request.domain = Some(
        long[long.len() - 63..]
            .trim_start_matches('.')
            .parse()
            .unwrap(),
    );
    let line = HostEntry {
        address: "2001:db8::ffff".parse().unwrap(),
        name: long.parse().unwrap(),
    };
    request.extra_hosts = vec![line; crate::MAX_EXTRA_HOSTS];
    request.dns.search = vec![long.parse().unwrap(); 32];
    request.dns.options = vec!["o".repeat(64); 32];
    world.must(Command::AddContainer(request));
    world.must(Command::StartContainer(name.as_str().into()));
    for n in 0..crate::MAX_ENDPOINTS {
        let network = format!("n{n}");
        let nets = [format!("10.0.{n}.0/24"), format!("fd00:{n}::/64")];
        world.network(&network, &nets.each_ref().map(String::as_str));
        let mut request = Connect::tap(name.as_str(), network.as_str());
        let way = format!("1f.7/1f.7/1f.7/1f.7/1f.7/1f.7/1f.7/{n:02x}.0");
        request.nic = Some(NicMatch::PciPath(way.parse().unwrap()));
        world.must(Command::Connect(request));
    }
    assert_eq!(
        spec(&world, &name).parts().interfaces.len(),
        crate::MAX_ENDPOINTS
    );
}
