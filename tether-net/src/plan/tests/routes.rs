//! Tests of routes: conflicts, and changes of addresses and links.

use super::*;

#[test]
fn a_wrong_prefix_length_is_mended_and_routes_through_it_stay() {
    let mut now = observed([(2, settled("eth0", 1))]);
    now.addresses.insert(address(2, "10.0.0.2/16", true));
    let default = route("0.0.0.0/0", Some("10.0.0.1"));
    now.routes.insert(LinkRoute {
        link: 2,
        route: default.clone(),
        ours: true,
    });
    let mut wanted = interface("eth0", 1, &["10.0.0.2/24"]);
    wanted.routes = vec![default];
    assert_eq!(
        steps(&now, &spec([wanted])),
        [
            "add address 10.0.0.2/24 to eth0",
            "remove address 10.0.0.2/16 from eth0",
        ]
    );
}

#[test]
fn a_route_whose_source_has_a_wrong_prefix_length_stays() {
    let mut now = observed([(2, settled("eth0", 1))]);
    now.addresses.insert(address(2, "10.0.0.2/16", true));
    let mut sourced = route("10.9.0.0/16", Some("10.0.0.1"));
    sourced.source = Some(net("10.0.0.2/16").addr());
    now.routes.insert(LinkRoute {
        link: 2,
        route: sourced.clone(),
        ours: true,
    });
    let mut wanted = interface("eth0", 1, &["10.0.0.2/24"]);
    wanted.routes = vec![sourced];
    assert_eq!(
        steps(&now, &spec([wanted])),
        [
            "add address 10.0.0.2/24 to eth0",
            "remove address 10.0.0.2/16 from eth0",
        ],
        "the kernel keeps it: its source is there in the other subnet"
    );
}

#[test]
fn of_two_routes_to_one_destination_with_one_metric_the_later_interface_yields() {
    let mut one = interface("eth0", 1, &["10.0.0.2/24"]);
    one.routes = vec![route("0.0.0.0/0", Some("10.0.0.1"))];
    let mut two = interface("eth1", 2, &["10.1.0.2/24"]);
    two.routes = vec![route("0.0.0.0/0", Some("10.1.0.1"))];
    let now = observed([(2, settled("eth0", 1)), (3, settled("eth1", 2))]);
    let plan = plan(&now, &spec([one, two]), &[]);
    let defaults: Vec<String> = step_texts(&plan)
        .into_iter()
        .filter(|w| w.contains("0.0.0.0/0"))
        .collect();
    assert_eq!(defaults, ["add route to 0.0.0.0/0 via 10.0.0.1 on eth0"]);
    assert!(matches!(
        &plan.outlooks[1],
        Outlook::Present { conflict: Some(c), .. } if c.action.contains("eth0 has one")
    ));
}

#[test]
fn a_default_route_with_another_metric_is_no_conflict() {
    let mut one = interface("eth0", 1, &["10.0.0.2/24"]);
    one.routes = vec![route("0.0.0.0/0", Some("10.0.0.1"))];
    let mut two = interface("eth1", 2, &["10.1.0.2/24"]);
    two.routes = vec![Route {
        metric: 100,
        ..route("0.0.0.0/0", Some("10.1.0.1"))
    }];
    let now = observed([(2, settled("eth0", 1)), (3, settled("eth1", 2))]);
    let said = steps(&now, &spec([one, two]));
    assert!(said.contains(&"add route to 0.0.0.0/0 via 10.1.0.1 metric 100 on eth1".to_owned()));
}

#[test]
fn an_ipv6_route_of_metric_0_is_the_kernels_1024() {
    let mut wanted = interface("eth0", 1, &["fd00::2/64"]);
    wanted.routes = vec![route("::/0", Some("fd00::1"))];
    let mut now = observed([(2, settled("eth0", 1))]);
    now.addresses.insert(address(2, "fd00::2/64", true));
    now.routes.insert(LinkRoute {
        link: 2,
        route: Route {
            metric: 1024,
            ..route("::/0", Some("fd00::1"))
        },
        ours: true,
    });
    assert!(steps(&now, &spec([wanted])).is_empty());
}

#[test]
fn going_down_for_a_new_mac_brings_ipv6_addresses_and_routes_back() {
    let mut wanted = interface("eth0", 1, &["10.0.0.2/24", "fd00::2/64"]);
    wanted.nic = NicMatch::PciPath("03.0".parse().unwrap());
    wanted.routes = vec![route("0.0.0.0/0", Some("10.0.0.1"))];
    let mut nic = settled("eth0", 7);
    nic.pci = Some(PciLocation {
        path: "03.0".parse().unwrap(),
        slot: None,
    });
    let mut now = observed([(2, nic)]);
    now.addresses.insert(address(2, "10.0.0.2/24", true));
    now.addresses.insert(address(2, "fd00::2/64", true));
    now.routes.insert(LinkRoute {
        link: 2,
        route: wanted.routes[0].clone(),
        ours: true,
    });
    assert_eq!(
        steps(&now, &spec([wanted])),
        [
            "set eth0 down",
            "set MAC address 02:00:00:00:00:01 on eth0",
            "set eth0 up",
            "add address fd00::2/64 to eth0",
            "add route to 0.0.0.0/0 via 10.0.0.1 on eth0",
        ]
    );
}
