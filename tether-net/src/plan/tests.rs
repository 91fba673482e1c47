use super::*;
use crate::observe::{Address, LinkRoute, PciPlace, Sysctls};
use protocol::spec::{
    Generation, Incarnation, InterfaceName, InterfaceParts, MacAddress, Mtu, NetSpecParts,
    NicMatch, Route, SpecId,
};

mod model;
mod property;

fn mac(last: u8) -> MacAddress {
    MacAddress::try_from([2, 0, 0, 0, 0, last]).unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn link(name: &str, last: u8) -> Link {
    Link {
        name: name.to_owned(),
        kind: LinkKind::Ethernet,
        mac: Some(mac(last)),
        permanent_mac: None,
        pci: None,
        mtu: 1500,
        up: false,
        carrier: false,
        marked: false,
        sysctls: Sysctls {
            refuses_router_advertisements: Some(false),
            promotes_secondaries: Some(false),
        },
    }
}

/// A link that the agent has already set up.
fn settled(name: &str, last: u8) -> Link {
    Link {
        up: true,
        carrier: true,
        marked: true,
        sysctls: Sysctls {
            refuses_router_advertisements: Some(true),
            promotes_secondaries: Some(true),
        },
        ..link(name, last)
    }
}

fn observed(links: impl IntoIterator<Item = (u32, Link)>) -> Observed {
    Observed {
        links: links.into_iter().collect(),
        ..Observed::default()
    }
}

fn address(link: u32, text: &str, ours: bool) -> Address {
    let net = net(text);
    Address { link, net, ours }
}

fn route(destination: &str, gateway: Option<&str>) -> Route {
    Route {
        destination: net(destination),
        gateway: gateway.map(|g| g.parse().unwrap()),
        metric: 0,
        on_link: false,
        source: None,
    }
}

fn interface(name: &str, last: u8, addresses: &[&str]) -> InterfaceParts {
    InterfaceParts {
        nic: NicMatch::Mac(mac(last)),
        mac: mac(last),
        name: name.parse().unwrap(),
        mtu: None,
        addressing: Addressing::Static,
        addresses: addresses.iter().map(|a| net(a)).collect(),
        routes: Vec::new(),
        firewall: FirewallLevel::Open,
    }
}

fn spec(interfaces: impl IntoIterator<Item = InterfaceParts>) -> NetSpec {
    let interfaces = interfaces.into_iter();
    NetSpec::try_from(NetSpecParts {
        id: SpecId {
            incarnation: Incarnation([1; 16]),
            generation: Generation(1),
        },
        hostname: None,
        interfaces: interfaces.map(|i| i.try_into().unwrap()).collect(),
        resolver: None,
        hosts: Vec::new(),
        extension: Vec::new(),
    })
    .unwrap()
}

fn owner(name: &str) -> Owner {
    Owner::Interface(name.parse::<InterfaceName>().unwrap())
}

/// What a plan does, in words.
fn words(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

fn steps(observed: &Observed, spec: &NetSpec) -> Vec<String> {
    words(&plan(observed, spec, &[]))
}

#[test]
fn a_new_nic_is_set_up_whole_and_in_order() {
    let mut wanted = interface("eth0", 1, &["10.0.0.2/24", "fd00::2/64"]);
    wanted.mac = mac(9);
    wanted.mtu = Some(Mtu::try_from(1400).unwrap());
    wanted.routes = vec![
        route("0.0.0.0/0", Some("10.0.0.1")),
        route("192.168.0.0/16", None),
    ];
    let mut nic = link("ens3", 1);
    nic.up = true;
    let plan = plan(&observed([(2, nic)]), &spec([wanted]), &[]);
    let link = 2;
    let expected = [
        Step::SetSysctl {
            link,
            name: "ens3".to_owned(),
            sysctl: Sysctl::RefuseRouterAdvertisements,
        },
        Step::SetSysctl {
            link,
            name: "ens3".to_owned(),
            sysctl: Sysctl::PromoteSecondaries,
        },
        Step::SetDown { link },
        Step::Rename {
            link,
            name: "eth0".to_owned(),
        },
        Step::SetMac { link, mac: mac(9) },
        Step::SetMtu {
            link,
            mtu: Mtu::try_from(1400).unwrap(),
        },
        Step::Mark { link },
        Step::SetUp { link },
        Step::AddAddress {
            link,
            address: net("10.0.0.2/24"),
        },
        Step::AddAddress {
            link,
            address: net("fd00::2/64"),
        },
        Step::AddRoute {
            link,
            route: route("192.168.0.0/16", None),
        },
        Step::AddRoute {
            link,
            route: route("0.0.0.0/0", Some("10.0.0.1")),
        },
    ];
    let expected = expected.map(|step| Planned {
        owner: owner("eth0"),
        step,
    });
    assert_eq!(plan.steps, expected);
    let conflict = None;
    assert_eq!(plan.outlooks, [Outlook::Present { link, conflict }]);
}

#[test]
fn what_is_already_so_is_no_step() {
    let mut now = observed([(2, settled("eth0", 1))]);
    now.addresses.insert(address(2, "10.0.0.2/24", true));
    assert!(steps(&now, &spec([interface("eth0", 1, &["10.0.0.2/24"])])).is_empty());
}

#[test]
fn an_equal_address_of_somebody_else_counts_as_there() {
    let mut now = observed([(2, settled("eth0", 1))]);
    now.addresses.insert(address(2, "10.0.0.2/24", false));
    assert!(steps(&now, &spec([interface("eth0", 1, &["10.0.0.2/24"])])).is_empty());
}

#[test]
fn foreign_addresses_and_routes_stay() {
    let mut now = observed([(2, settled("eth0", 1)), (3, settled("eth1", 2))]);
    now.addresses.insert(address(2, "10.9.9.9/24", false));
    now.routes.insert(LinkRoute {
        link: 2,
        route: route("0.0.0.0/0", Some("10.9.9.1")),
        ours: false,
    });
    now.addresses.insert(address(3, "10.9.8.9/24", false));
    let expected = ["set eth1 down", "take the mark off eth1"];
    assert_eq!(steps(&now, &spec([interface("eth0", 1, &[])])), expected);
}

#[test]
fn own_work_that_is_no_longer_wanted_goes_routes_first_and_addresses_last() {
    let mut now = observed([(2, settled("eth0", 1))]);
    now.addresses.insert(address(2, "10.0.0.2/24", true));
    now.routes.insert(LinkRoute {
        link: 2,
        route: route("0.0.0.0/0", Some("10.0.0.1")),
        ours: true,
    });
    assert_eq!(
        steps(&now, &spec([interface("eth0", 1, &["10.0.0.3/24"])])),
        [
            "remove route to 0.0.0.0/0 via 10.0.0.1 from eth0",
            "add address 10.0.0.3/24 to eth0",
            "remove address 10.0.0.2/24 from eth0",
        ]
    );
}

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
fn an_ipv6_address_with_a_wrong_prefix_length_goes_first() {
    let mut now = observed([(2, settled("eth0", 1))]);
    now.addresses.insert(address(2, "fd00::2/48", true));
    assert_eq!(
        steps(&now, &spec([interface("eth0", 1, &["fd00::2/64"])])),
        [
            "remove address fd00::2/48 from eth0",
            "add address fd00::2/64 to eth0",
        ]
    );
}

#[test]
fn an_interface_that_left_the_spec_is_cleared_and_set_down() {
    let mut now = observed([(2, settled("eth0", 1)), (3, settled("eth1", 2))]);
    now.addresses.insert(address(2, "10.0.0.2/24", true));
    now.addresses.insert(address(3, "10.1.0.2/24", true));
    assert_eq!(
        steps(&now, &spec([interface("eth1", 2, &["10.1.0.2/24"])])),
        [
            "remove address 10.0.0.2/24 from eth0",
            "set eth0 down",
            "take the mark off eth0",
        ]
    );
}

#[test]
fn two_nics_swap_their_names_by_way_of_a_third() {
    let now = observed([(2, settled("eth0", 1)), (3, settled("eth1", 2))]);
    let wanted = spec([interface("eth1", 1, &[]), interface("eth0", 2, &[])]);
    assert_eq!(
        steps(&now, &wanted),
        [
            "set eth1 down",
            "rename link 2 to tn-2 for eth1",
            "set eth0 down",
            "rename link 3 to eth0 for eth0",
            "rename link 2 to eth1 for eth1",
            "set eth1 up",
            "set eth0 up",
        ]
    );
}

#[test]
fn names_that_move_up_need_no_third() {
    let now = observed([(2, settled("eth0", 1)), (3, settled("eth1", 2))]);
    let wanted = spec([interface("eth1", 1, &[]), interface("eth2", 2, &[])]);
    let renames: Vec<String> = steps(&now, &wanted)
        .into_iter()
        .filter(|s| s.starts_with("rename"))
        .collect();
    assert_eq!(
        renames,
        [
            "rename link 3 to eth2 for eth2",
            "rename link 2 to eth1 for eth1",
        ]
    );
}

#[test]
fn a_released_link_makes_room_for_its_name() {
    let now = observed([(2, settled("eth0", 1)), (3, link("eth1", 2))]);
    let said = steps(&now, &spec([interface("eth0", 2, &[])]));
    assert!(said.contains(&"rename link 2 to tn-2 for eth0".to_owned()));
    assert!(said.contains(&"rename link 3 to eth0 for eth0".to_owned()));
}

#[test]
fn a_name_that_a_foreign_link_bears_is_a_conflict_and_nothing_goes_down() {
    let now = observed([(2, link("eth0", 1)), (3, settled("eth1", 2))]);
    let plan = plan(&now, &spec([interface("eth0", 2, &["10.0.0.2/24"])]), &[]);
    assert_eq!(words(&plan), ["add address 10.0.0.2/24 to eth0"]);
    let [Outlook::Present { conflict, .. }] = &plan.outlooks[..] else {
        panic!("{:?}", plan.outlooks);
    };
    assert_eq!(conflict.as_ref().map(|c| c.errno), Some(libc::EEXIST));
}

#[test]
fn a_nic_that_is_not_there_is_waited_for() {
    let plan = plan(&observed([]), &spec([interface("eth0", 1, &[])]), &[]);
    assert_eq!(plan.outlooks, [Outlook::Waiting]);
    assert!(plan.steps.is_empty());
}

#[test]
fn what_the_agent_is_not_capable_of_is_not_applied_in_part() {
    let mut leased = interface("eth0", 1, &["10.0.0.2/24"]);
    leased.addressing = Addressing::Dhcp;
    let mut walled = interface("eth1", 2, &[]);
    walled.firewall = FirewallLevel::Closed;
    let now = observed([(2, link("ens3", 1)), (3, link("ens4", 2))]);
    let wanted = spec([leased, walled]);
    let refused = plan(&now, &wanted, &[]);
    assert!(refused.steps.is_empty());
    assert_eq!(
        refused.outlooks,
        [
            Outlook::Unsupported(Capability::Dhcp),
            Outlook::Unsupported(Capability::Firewall),
        ]
    );
    let capable = plan(&now, &wanted, &[Capability::Dhcp, Capability::Firewall]);
    assert!(!capable.steps.is_empty());
}

#[test]
fn loopback_comes_up_and_never_carries_an_interface() {
    let mut lo = link("lo", 1);
    lo.kind = LinkKind::Loopback;
    let plan = plan(
        &observed([(1, lo)]),
        &spec([interface("eth0", 1, &[])]),
        &[],
    );
    assert_eq!(words(&plan), ["set loopback up"]);
    assert_eq!(plan.outlooks, [Outlook::Waiting]);
}

#[test]
fn a_nic_is_found_by_its_place_on_the_bus_whatever_its_address() {
    let place = |path: &str, slot| PciPlace {
        path: path.parse().unwrap(),
        slot,
    };
    let mut near = link("eth0", 7);
    near.pci = Some(place("03.0", None));
    let mut far = link("eth1", 1);
    far.pci = Some(place("02.0/00.0", Some(5)));
    let mut by_path = interface("a", 1, &[]);
    by_path.nic = NicMatch::PciPath("03.0".parse().unwrap());
    let mut by_slot = interface("b", 2, &[]);
    by_slot.nic = NicMatch::PciSlot(5);
    let plan = plan(
        &observed([(2, near), (3, far)]),
        &spec([by_path, by_slot]),
        &[],
    );
    let links: Vec<u32> = plan.steps.iter().map(|p| p.step.link()).collect();
    assert!(links.contains(&2) && links.contains(&3));
    assert!(words(&plan).contains(&"set MAC address 02:00:00:00:00:01 on a".to_owned()));
    assert!(words(&plan).contains(&"set MAC address 02:00:00:00:00:02 on b".to_owned()));
}

#[test]
fn the_address_of_the_hardware_counts_before_the_present_one() {
    let mut first = settled("x", 1);
    first.permanent_mac = Some(mac(2));
    let mut second = settled("y", 2);
    second.permanent_mac = Some(mac(1));
    let plan = plan(
        &observed([(2, first), (3, second)]),
        &spec([interface("eth0", 1, &[])]),
        &[],
    );
    let conflict = None;
    assert_eq!(plan.outlooks, [Outlook::Present { link: 3, conflict }]);
}

#[test]
fn a_nic_without_an_address_of_its_own_is_found_again_after_it_got_another() {
    let mut wanted = interface("eth0", 1, &[]);
    wanted.mac = mac(9);
    let now = observed([(2, settled("eth0", 9))]);
    assert!(steps(&now, &spec([wanted])).is_empty());
}

#[test]
fn of_two_routes_to_one_place_with_one_metric_the_later_interface_yields() {
    let mut one = interface("eth0", 1, &["10.0.0.2/24"]);
    one.routes = vec![route("0.0.0.0/0", Some("10.0.0.1"))];
    let mut two = interface("eth1", 2, &["10.1.0.2/24"]);
    two.routes = vec![route("0.0.0.0/0", Some("10.1.0.1"))];
    let now = observed([(2, settled("eth0", 1)), (3, settled("eth1", 2))]);
    let plan = plan(&now, &spec([one, two]), &[]);
    let defaults: Vec<String> = words(&plan)
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
    nic.pci = Some(PciPlace {
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

#[test]
fn a_kernel_without_ipv6_is_asked_for_no_sysctl_of_it() {
    let mut nic = settled("eth0", 1);
    nic.sysctls.refuses_router_advertisements = None;
    assert!(steps(&observed([(2, nic)]), &spec([interface("eth0", 1, &[])])).is_empty());
}
