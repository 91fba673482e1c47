use super::{World, container, network};
use crate::{
    Answer, Command, Connect, Id, NetworkId, NetworkKind, RefusalKind, SegmentKind, Settings, VchId,
};
use std::collections::BTreeMap;

fn subnets(world: &World, name: &str) -> Vec<(String, String)> {
    let network = world.ledger.network(&name.into()).unwrap();
    let subnets = network.subnets.iter();
    subnets
        .map(|s| (s.net.to_string(), s.gateway.unwrap().to_string()))
        .collect()
}

fn pair(net: &str, gateway: &str) -> (String, String) {
    (net.to_owned(), gateway.to_owned())
}

#[test]
fn the_predefined_networks_are_made_once() {
    let mut world = World::new();
    assert_eq!(
        subnets(&world, "bridge"),
        [pair("172.17.0.0/16", "172.17.0.1")]
    );
    let none = world.ledger.network(&"none".into()).unwrap();
    assert_eq!((&none.kind, none.subnets.len()), (&NetworkKind::None, 0));
    let again = world.with_environment(|ledger, environment| ledger.bootstrap(environment));
    assert_eq!(again, Ok(None));
}

#[test]
fn the_predefined_networks_can_neither_be_made_nor_removed() {
    let mut world = World::new();
    for name in ["none", "bridge"] {
        let made = world.refused(Command::CreateNetwork(network(name, &[])));
        assert_eq!(made.code(), "network-name-predefined");
        let text = format!("operation is not permitted on predefined {name} network ");
        assert!(made.to_string().starts_with(&text), "{made}");
        let removed = world.refused(Command::RemoveNetwork(name.into()));
        assert_eq!(
            (removed.code(), removed.kind()),
            ("network-predefined", RefusalKind::Forbidden)
        );
        let text = format!("{name} is a pre-defined network and cannot be removed");
        assert!(removed.to_string().starts_with(&text), "{removed}");
    }
}

#[test]
fn a_network_with_stopped_containers_is_removed_and_they_miss_it() {
    let mut world = World::new();
    world.network("app", &[]);
    for name in ["web", "db"] {
        world.running(name);
        world.connect(name, "app");
        world.connect(name, "bridge");
    }
    let old = world.ledger.network(&"app".into()).unwrap().id;
    world.stop("web");
    let refusal = world.refused(Command::RemoveNetwork("app".into()));
    assert_eq!(refusal.code(), "network-in-use");
    let text = refusal.to_string();
    assert!(text.contains("db") && !text.contains("web"), "{text}");
    world.stop("db");
    world.must(Command::RemoveNetwork("app".into()));
    let row = |world: &World, name: &str| world.ledger.container(&name.into()).unwrap().clone();
    assert_eq!(world.ledger.endpoints_of(row(&world, "web").id).count(), 1);
    assert_eq!(
        row(&world, "web").missing.values().collect::<Vec<_>>(),
        [&old]
    );
    // A new network of the name is another one.
    world.network("app", &[]);
    let refusal = world.refused(Command::StartContainer("web".into()));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("network-missing", RefusalKind::NotFound)
    );
    assert!(
        refusal
            .to_string()
            .starts_with(&format!("network {old} not found")),
        "{refusal}"
    );
    world.connect("web", "app");
    world.start("web");
    assert!(row(&world, "web").missing.is_empty());
    // It is known by its name, by its id, and by a new one of the name.
    let forgotten =
        |answer: Answer| matches!(answer, Answer::Forgotten { network, .. } if network == old);
    let before = world.ledger.clone();
    let new = world.ledger.network(&"app".into()).unwrap().id.to_string();
    for text in ["app", &old.to_string(), &new] {
        let mut other = World {
            ledger: before.clone(),
            ..World::new()
        };
        other.store.clone_from(&world.store);
        let answer = other.must(super::disconnect("db", text));
        assert!(forgotten(answer), "{text}");
        other.start("db");
        let again = other.refused(super::disconnect("db", text));
        assert!(
            matches!(again.code(), "not-connected" | "network-not-found"),
            "{text}"
        );
    }
}

#[test]
fn automatic_subnets_go_around_routes_of_the_host_and_other_networks() {
    let mut world = World::new();
    world.routes.push("172.18.5.0/24".parse().unwrap());
    world.network("chosen", &["172.19.128.0/17"]);
    world.network("first", &[]);
    world.network("second", &[]);
    assert_eq!(
        subnets(&world, "first"),
        [pair("172.20.0.0/16", "172.20.0.1")]
    );
    assert_eq!(
        subnets(&world, "second"),
        [pair("172.21.0.0/16", "172.21.0.1")]
    );
    world.must(Command::RemoveNetwork("first".into()));
    world.network("third", &[]);
    assert_eq!(
        subnets(&world, "third"),
        [pair("172.20.0.0/16", "172.20.0.1")]
    );
}

#[test]
fn the_first_automatic_subnets_are_dockers() {
    let mut world = World::new();
    for (name, net) in [("one", "172.18.0.0/16"), ("two", "172.19.0.0/16")] {
        world.network(name, &[]);
        assert_eq!(subnets(&world, name)[0].0, net);
    }
    assert_eq!(subnets(&world, "bridge")[0].0, "172.17.0.0/16");
}

#[test]
fn a_network_is_dedicated_or_shared_as_it_asks_or_as_the_vch_has_it() {
    for default in [SegmentKind::Dedicated, SegmentKind::Shared] {
        let mut settings = Settings::of(VchId([7; 16]));
        settings.default_segment = default;
        let mut world = World::with(settings);
        for (name, wanted) in [
            ("none-said", None),
            ("own", Some(SegmentKind::Dedicated)),
            ("common", Some(SegmentKind::Shared)),
        ] {
            let mut request = network(name, &[]);
            request.segment = wanted;
            world.must(Command::CreateNetwork(request));
            let made = world.ledger.network(&name.into()).unwrap();
            let expected = NetworkKind::Bridge(wanted.unwrap_or(default));
            assert_eq!(made.kind, expected, "{name}");
        }
        let bridge = world.ledger.network(&"bridge".into()).unwrap();
        assert_eq!(bridge.kind, NetworkKind::Bridge(default));
    }
}

#[test]
fn a_subnet_that_overlaps_is_refused_with_what_it_meets() {
    let mut world = World::new();
    world.routes.push("192.168.7.0/24".parse().unwrap());
    world.network("web", &["10.9.8.0/24"]);
    for (net, code) in [
        ("10.9.8.0/24", "subnet-overlap"),
        ("10.9.8.64/26", "subnet-overlap"),
        ("10.0.0.0/8", "subnet-overlap"),
        ("172.16.0.0/12", "subnet-overlap"),
        ("192.168.0.0/16", "route-overlap"),
        ("192.168.7.128/25", "route-overlap"),
    ] {
        let refusal = world.refused(Command::CreateNetwork(network("app", &[net])));
        assert_eq!(
            (refusal.code(), refusal.kind()),
            (code, RefusalKind::Forbidden),
            "{net}"
        );
        let text = "Pool overlaps with other one on this address space";
        assert!(refusal.to_string().contains(text), "{refusal}");
    }
    let twice = network("app", &["10.1.0.0/16", "10.1.2.0/24"]);
    assert_eq!(
        world.refused(Command::CreateNetwork(twice)).code(),
        "subnet-twice"
    );
}

#[test]
fn bad_subnets_are_refused_by_field() {
    let mut world = World::new();
    for (net, code) in [
        ("10.10.10.0/8", "subnet-host-bits"),
        ("127.0.0.0/8", "subnet-unusable"),
        ("0.0.0.0/0", "subnet-unusable"),
        ("10.0.0.0/31", "subnet-unusable"),
        ("224.0.0.0/24", "subnet-unusable"),
        ("fe80::/64", "subnet-unusable"),
        ("fd00::/127", "subnet-unusable"),
    ] {
        let refusal = world.refused(Command::CreateNetwork(network("app", &[net])));
        assert_eq!(refusal.code(), code, "{net}");
    }
    let text = world.refused(Command::CreateNetwork(network("app", &["10.10.10.0/8"])));
    let docker = "invalid network config: invalid subnet 10.10.10.0/8: it should be 10.0.0.0/8";
    assert_eq!(text.to_string(), docker);
}

#[test]
fn range_gateway_and_auxiliary_addresses_lie_inside_their_subnet() {
    let mut world = World::new();
    type Case = (
        Option<&'static str>,
        Option<&'static str>,
        Vec<&'static str>,
        &'static str,
    );
    let cases: [Case; 10] = [
        (Some("10.9.0.0/16"), None, vec![], "range-too-big"),
        (Some("10.9.9.0/25"), None, vec![], "range-outside"),
        (Some("fd00::/112"), None, vec![], "range-outside"),
        (Some("10.9.8.7/25"), None, vec![], "range-host-bits"),
        (None, Some("10.9.9.1"), vec![], "gateway-outside"),
        (None, Some("10.9.8.0"), vec![], "not-a-host"),
        (None, Some("10.9.8.255"), vec![], "not-a-host"),
        (None, None, vec!["10.9.9.1"], "auxiliary-outside"),
        (None, Some("10.9.8.4"), vec!["10.9.8.4"], "reserved-twice"),
        (None, None, vec!["10.9.8.4", "10.9.8.4"], "reserved-twice"),
    ];
    for (range, gateway, auxiliary, code) in cases {
        let mut request = network("app", &["10.9.8.0/24"]);
        request.subnets[0].range = range.map(|range| range.parse().unwrap());
        request.subnets[0].gateway = gateway.map(|gateway| gateway.parse().unwrap());
        let named = auxiliary.iter().enumerate();
        let named = named.map(|(n, address)| (format!("kept{n}"), address.parse().unwrap()));
        request.subnets[0].auxiliary = named.collect();
        let refusal = world.refused(Command::CreateNetwork(request));
        assert_eq!(
            refusal.code(),
            code,
            "{range:?} {gateway:?} {auxiliary:?}: {refusal}"
        );
    }
}

#[test]
fn a_range_may_be_the_whole_subnet() {
    let mut world = World::new();
    let mut request = network("app", &["10.9.8.0/24"]);
    request.subnets[0].range = Some("10.9.8.0/24".parse().unwrap());
    world.must(Command::CreateNetwork(request));
    world.container("web");
    assert_eq!(world.connect("web", "app"), "10.9.8.2/24");
}

#[test]
fn the_gateway_is_the_first_address_that_is_not_kept_back() {
    let mut world = World::new();
    let mut request = network("app", &["10.9.8.0/24"]);
    let kept = ["10.9.8.1", "10.9.8.2"].map(|a| (a.to_owned(), a.parse().unwrap()));
    request.subnets[0].auxiliary = BTreeMap::from(kept);
    world.must(Command::CreateNetwork(request));
    assert_eq!(subnets(&world, "app"), [pair("10.9.8.0/24", "10.9.8.3")]);
}

#[test]
fn a_dual_stack_network_gets_a_subnet_of_the_vchs_own_ula_prefix() {
    let mut world = World::new();
    for name in ["one", "two"] {
        let mut request = network(name, &[]);
        request.ipv6 = true;
        world.must(Command::CreateNetwork(request));
    }
    let (one, two) = (subnets(&world, "one"), subnets(&world, "two"));
    assert_eq!((one.len(), two.len()), (2, 2));
    assert!(
        one[1].0.starts_with("fd") && one[1].0.ends_with("/64"),
        "{one:?}"
    );
    assert_eq!(one[1].0[..14], two[1].0[..14], "one /48");
    assert_ne!(one[1].0, two[1].0);
    let other = World::with(Settings::of(VchId([8; 16])));
    assert_ne!(other.ledger, world.ledger);
    let mut v6 = network("v6", &[]);
    (v6.ipv4, v6.ipv6) = (false, true);
    world.must(Command::CreateNetwork(v6));
    assert_eq!(subnets(&world, "v6").len(), 1);
    let mut neither = network("neither", &[]);
    neither.ipv4 = false;
    assert_eq!(
        world.refused(Command::CreateNetwork(neither)).code(),
        "no-subnet"
    );
}

#[test]
fn exhausted_pools_say_so_and_come_back() {
    let mut settings = Settings::of(VchId([7; 16]));
    settings.pools = vec![crate::Pool::new("10.0.0.0/8".parse().unwrap(), 9).unwrap()];
    let mut world = World::with(settings);
    world.network("one", &[]);
    let refusal = world.refused(Command::CreateNetwork(network("two", &[])));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("pools-exhausted", RefusalKind::Exhausted)
    );
    let text = "all predefined address pools have been fully subnetted";
    assert!(refusal.to_string().starts_with(text), "{refusal}");
    world.must(Command::RemoveNetwork("one".into()));
    world.network("two", &[]);
}

#[test]
fn a_network_in_use_stays_and_names_who_is_on_it() {
    let mut world = World::new();
    world.network("app", &[]);
    for n in 0..7 {
        let name = format!("web{n}");
        world.running(&name);
        world.connect(&name, "app");
    }
    let refusal = world.refused(Command::RemoveNetwork("app".into()));
    assert_eq!(refusal.code(), "network-in-use");
    let text = refusal.to_string();
    assert!(
        text.contains("network app has active endpoints (web"),
        "{text}"
    );
    assert!(text.contains(" and 2 more)"), "{text}");
}

#[test]
fn a_removed_network_leaves_no_row_behind() {
    let mut world = World::new();
    let before = world.store.clone();
    world.network("app", &[]);
    world.container("web");
    world.connect("web", "app");
    world.disconnect("web", "app");
    world.must(Command::RemoveContainer {
        container: "web".into(),
        force: false,
    });
    world.must(Command::RemoveNetwork("app".into()));
    assert_eq!(world.store, before);
}

#[test]
fn a_network_is_found_by_id_then_name_then_unique_prefix() {
    let mut world = World::new();
    world.network("app", &[]);
    let id = world.ledger.network(&"app".into()).unwrap().id;
    let text = id.to_string();
    // Named like the first digits of another network's id: the name wins.
    world.network(&text[..5], &[]);
    let named = world.ledger.network(&text[..5].into()).unwrap();
    assert_ne!(named.id, id);
    for reference in [text.as_str(), &text[..6], &text[..12], "app"] {
        assert_eq!(
            world.ledger.network(&reference.into()).unwrap().id,
            id,
            "{reference}"
        );
    }
    assert_eq!(world.ledger.network(&id.into()).unwrap().id, id);
    let digits = "0123456789abcdef".chars().map(String::from);
    let outcomes = digits.map(|digit| {
        let all = world
            .ledger
            .networks()
            .filter(|n| n.id.to_string().starts_with(&digit));
        (
            all.count(),
            world
                .ledger
                .network(&digit.as_str().into())
                .map_err(|r| r.code()),
        )
    });
    for (count, outcome) in outcomes {
        match count {
            0 => assert_eq!(outcome, Err("network-not-found")),
            1 => assert!(outcome.is_ok()),
            _ => assert_eq!(outcome, Err("network-ambiguous")),
        }
    }
    // A name that is another network's whole id: the id wins.
    let app = world.ledger.network(&"app".into()).unwrap().id;
    world.network(&app.to_string(), &[]);
    let found = world
        .ledger
        .network(&app.to_string().as_str().into())
        .unwrap();
    assert_eq!(found.id, app);
    let missing = NetworkId::from_bytes([9; 32]);
    assert_eq!(
        world.ledger.network(&missing.into()).unwrap_err().code(),
        "network-not-found"
    );
}

#[test]
fn limits_are_kept() {
    let mut settings = Settings::of(VchId([7; 16]));
    (settings.limits.networks, settings.limits.containers) = (3, 1);
    let mut world = World::with(settings);
    world.network("one", &[]);
    assert_eq!(
        world
            .refused(Command::CreateNetwork(network("two", &[])))
            .code(),
        "too-many"
    );
    world.container("web");
    assert_eq!(
        world.refused(Command::AddContainer(container("db"))).code(),
        "too-many"
    );
    world.must(Command::RemoveNetwork("one".into()));
    let mut request = network("two", &[]);
    request.labels.insert("key".to_owned(), "v".repeat(5_000));
    let refusal = world.refused(Command::CreateNetwork(request));
    assert_eq!(refusal.code(), "too-long");
    assert!(refusal.to_string().len() < 200, "{refusal}");
}

#[test]
fn an_addition_is_undone_by_its_removal() {
    let mut world = World::new();
    let networks = world.ledger.networks().count();
    let Answer::NetworkCreated { network, .. } =
        world.must(Command::CreateNetwork(network("app", &[])))
    else {
        panic!("another answer");
    };
    let Answer::ContainerAdded { container } = world.must(Command::AddContainer(container("web")))
    else {
        panic!("another answer");
    };
    world.must(Command::Connect(Connect::tap(container, network)));
    world.must(Command::Disconnect {
        container: container.into(),
        network: network.into(),
    });
    world.must(Command::RemoveContainer {
        container: container.into(),
        force: false,
    });
    world.must(Command::RemoveNetwork(network.into()));
    assert_eq!(world.ledger.networks().count(), networks);
    assert_eq!(
        world.ledger.containers().count() + world.ledger.endpoints().count(),
        0
    );
}

fn set_dns_ttl(network: &str, seconds: Option<u32>) -> Command {
    Command::SetDnsTtl {
        network: network.into(),
        ttl: seconds.map(|seconds| seconds.try_into().unwrap()),
    }
}

#[test]
fn answers_about_a_networks_names_are_kept_for_its_own_time() {
    let mut world = World::new();
    let mut request = network("app", &["10.9.0.0/24"]);
    request.dns_ttl = 300.try_into().ok();
    world.must(Command::CreateNetwork(request));
    let ttl = |world: &World, name: &str| {
        let network = world.ledger.network(&name.into()).unwrap();
        network.dns_ttl.map(crate::DnsTtl::seconds)
    };
    assert_eq!(ttl(&world, "app"), Some(300));
    for seconds in [Some(0), Some(86_400), None] {
        world.must(set_dns_ttl("app", seconds));
        assert_eq!(ttl(&world, "app"), seconds);
    }
    world.must(set_dns_ttl("bridge", Some(60)));
    assert_eq!(ttl(&world, "bridge"), Some(60));
    for network in ["none", "missing"] {
        let refused = world.refused(set_dns_ttl(network, Some(60)));
        let expected = ["no-dns-ttl", "network-not-found"][usize::from(network == "missing")];
        assert_eq!(refused.code(), expected);
    }
}

#[test]
fn a_dns_ttl_is_a_day_at_most() {
    assert_eq!(crate::DnsTtl::try_from(86_400).unwrap().seconds(), 86_400);
    let refused = crate::DnsTtl::try_from(86_401).unwrap_err().to_string();
    assert_eq!(
        refused,
        "DNS TTL 86401 is not possible: use 0 to 86400 seconds"
    );
}
