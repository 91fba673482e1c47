//! External networks that the ledger refuses.

use super::{configure, configured, default_external, production, reload, world};
use crate::ledger::tests::{container, external, network, ports::port};
use crate::{Command, ExternalNetwork, RefusalKind};

#[test]
fn one_that_has_endpoints_is_not_removed() {
    let mut world = world();
    for name in ["web", "db"] {
        world.container(name);
        world.connect(name, "outside");
    }
    let mut only = production();
    only.external.published = true;
    let refusal = world.refused(configure(&[only.clone()]));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("external-in-use", RefusalKind::Forbidden)
    );
    let text = refusal.to_string();
    assert!(text.contains("web") && text.contains("db"), "{text}");
    world.disconnect("web", "outside");
    world.disconnect("db", "outside");
    assert_eq!(configured(&mut world, &[only]), (0, 1, 1));
}

#[test]
fn a_change_that_leaves_an_endpoint_without_its_address_is_refused() {
    let mut world = world();
    for name in ["web", "db"] {
        world.container(name);
        world.connect(name, "outside");
    }
    let mut taken = default_external();
    taken.subnets[0].vch = Some("10.2.0.4".parse().unwrap());
    for (name, wanted) in [
        ("elsewhere", external("outside", "10.3.0.0/16", true)),
        ("too small", external("outside", "10.2.0.0/30", true)),
        ("the VCH's", taken),
    ] {
        let refusal = world.refused(configure(&[wanted, production()]));
        assert_eq!(refusal.code(), "external-orphans", "{name}");
        assert!(refusal.to_string().contains("db (10.2.0.4)"), "{refusal}");
    }
    world.disconnect("web", "outside");
    world.disconnect("db", "outside");
    let elsewhere = external("outside", "10.3.0.0/16", true);
    configured(&mut world, &[elsewhere]);
    reload(&world);
    assert_eq!(world.connect("web", "outside"), "10.3.0.3/16");
}

#[test]
fn subnets_that_meet_others_are_refused_with_their_names() {
    let mut world = world();
    world.network("app", &["10.9.0.0/16"]);
    for net in ["10.9.8.0/24", "10.8.0.0/15", "172.17.0.0/16"] {
        let wanted = [default_external(), external("more", net, false)];
        let refusal = world.refused(configure(&wanted));
        assert_eq!(refusal.code(), "subnet-overlap", "{net}");
        let text = refusal.to_string();
        assert!(text.contains("app") || text.contains("bridge"), "{text}");
    }
    // One that grows over another network, and two of one file.
    let mut grown = default_external();
    grown.subnets = external("outside", "10.0.0.0/8", true).subnets;
    assert_eq!(world.refused(configure(&[grown])).code(), "subnet-overlap");
    let twice = [default_external(), external("more", "10.2.3.0/24", false)];
    let refusal = world.refused(configure(&twice));
    assert!(refusal.to_string().contains("network outside"), "{refusal}");
    // And a bridge network that would meet an external one.
    let create = Command::CreateNetwork(network("meets", &["10.0.0.0/13"]));
    let refusal = world.refused(create);
    assert_eq!(refusal.code(), "subnet-overlap");
    assert!(refusal.to_string().contains("network outside"), "{refusal}");
}

#[test]
fn what_makes_no_sense_is_refused_by_field() {
    let mut world = world();
    let outside: ipnet::IpNet = "10.3.0.0/24".parse().unwrap();
    let edited = |edit: &dyn Fn(&mut ExternalNetwork)| {
        let mut wanted = default_external();
        edit(&mut wanted);
        configure(&[wanted, production()])
    };
    let cases: [(&str, &str, Command); 9] = [
        (
            "external-no-subnet",
            "no subnet",
            edited(&|w| w.subnets.clear()),
        ),
        (
            "external-subnet",
            "10.2.0.0/16",
            edited(&|w| w.subnets[0].net = "10.2.3.4/16".parse().unwrap()),
        ),
        (
            "external-subnet",
            "loopback",
            edited(&|w| w.subnets[0].net = "127.0.0.0/8".parse().unwrap()),
        ),
        (
            "external-address",
            "gateway 10.3.0.1",
            edited(&|w| w.subnets[0].gateway = "10.3.0.1".parse().ok()),
        ),
        (
            "external-address",
            "address 10.2.255.255",
            edited(&|w| w.subnets[0].vch = "10.2.255.255".parse().ok()),
        ),
        (
            "external-address",
            "range 10.3.0.0",
            edited(&|w| {
                w.subnets[0].ranges = vec![outside.into()];
            }),
        ),
        (
            "external-no-default",
            "outside, production",
            edited(&|w| w.external.published = false),
        ),
        (
            "network-name-predefined",
            "predefined bridge",
            edited(&|w| w.name = "bridge".parse().unwrap()),
        ),
        (
            "network-exists",
            "production",
            edited(&|w| w.name = "production".parse().unwrap()),
        ),
    ];
    for (code, says, command) in cases {
        let refusal = world.refused(command);
        assert_eq!(refusal.code(), code);
        assert!(refusal.to_string().contains(says), "{refusal}");
    }
    world.network("app", &[]);
    let refusal = world.refused(edited(&|w| w.name = "app".parse().unwrap()));
    assert_eq!(refusal.code(), "network-exists");
}

#[test]
fn a_default_that_would_let_published_ports_meet_is_refused() {
    let mut world = world();
    for (name, wanted) in [("web", "80:80"), ("app", "208.91.3.2:80:80")] {
        let mut request = container(name);
        request.ports = vec![port(wanted)];
        world.must(Command::AddContainer(request));
        world.connect(name, "bridge");
        world.start(name);
    }
    let mut also = production();
    also.external.published = true;
    let wanted = [default_external(), also];
    let refusal = world.refused(configure(&wanted));
    assert_eq!(refusal.code(), "port-taken");
    assert!(refusal.to_string().contains("container app"), "{refusal}");
    world.stop("app");
    configured(&mut world, &wanted);
    let start = Command::StartContainer("app".into());
    assert_eq!(world.refused(start).code(), "port-taken");
}
