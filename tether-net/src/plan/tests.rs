use super::*;
use crate::observe::{Address, LinkRoute, PciLocation, Sysctls};
use protocol::spec::{
    Generation, Incarnation, InterfaceName, InterfaceParts, MacAddress, Mtu, NetSpecParts,
    NicMatch, Route, SpecId,
};

mod links;
mod model;
mod property;
mod routes;

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

/// Returns a link that the agent has already set up.
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

/// Returns a plan's steps as text.
fn step_texts(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

fn steps(observed: &Observed, spec: &NetSpec) -> Vec<String> {
    step_texts(&plan(observed, spec, &[]))
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
fn what_the_agent_is_not_capable_of_is_not_applied_in_part() {
    let mut leased = interface("eth0", 1, &["10.0.0.2/24"]);
    leased.addressing = Addressing::Dhcp;
    let mut restricted = interface("eth1", 2, &[]);
    restricted.firewall = FirewallLevel::Closed;
    let now = observed([(2, link("ens3", 1)), (3, link("ens4", 2))]);
    let wanted = spec([leased, restricted]);
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
fn a_kernel_without_ipv6_is_asked_for_no_sysctl_of_it() {
    let mut nic = settled("eth0", 1);
    nic.sysctls.refuses_router_advertisements = None;
    assert!(steps(&observed([(2, nic)]), &spec([interface("eth0", 1, &[])])).is_empty());
}
