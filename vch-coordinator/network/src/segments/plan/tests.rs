use super::*;
use crate::segments::step::Ipv6Setting;

const GATEWAY: &str = "172.18.0.1/16";

fn owner() -> Owner {
    Owner::of(b"a VCH")
}

fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn bridge(addresses: &[&str]) -> Bridge {
    Bridge {
        name: name("br-1"),
        addresses: addresses.iter().map(|a| net(a)).collect(),
        mtu: None,
    }
}

fn tap() -> Port {
    Port {
        name: name("vt-1"),
        bridge: name("br-1"),
        foreign: false,
        kind: PortKind::Tap,
        mtu: None,
        limit: None,
    }
}

fn veth() -> Port {
    Port {
        name: name("vt-2"),
        bridge: name("br-1"),
        foreign: false,
        kind: PortKind::Veth {
            netns: "/run/netns/c".into(),
            peer: name("eth0"),
            mac: "02:00:00:00:00:02".parse().unwrap(),
        },
        mtu: None,
        limit: None,
    }
}

fn desired(bridges: &[Bridge], ports: &[Port]) -> Desired {
    let bridges = bridges.iter().map(|b| (b.name.clone(), b.clone()));
    let ports = ports.iter().map(|p| (p.name.clone(), p.clone()));
    Desired {
        bridges: bridges.collect(),
        ports: ports.collect(),
    }
}

fn link(index: u32, kind: LinkKind) -> Link {
    Link {
        index,
        group: owner().group(),
        up: true,
        mtu: 1500,
        mac: vec![2, 0, 0, 0, 0, 9],
        master: None,
        kind,
        ipv6: Some(LinkIpv6 {
            no_link_local: true,
            ..LinkIpv6::default()
        }),
        route_localnet: true,
    }
}

fn right_bridge() -> Link {
    Link {
        mac: owner().bridge_mac(&name("br-1")).octets().to_vec(),
        ..link(5, LinkKind::Bridge { plain: true })
    }
}

fn right_tap() -> Link {
    let kind = LinkKind::Tap {
        closed: true,
        attached: true,
        persistent: true,
    };
    Link {
        master: Some(5),
        ..link(6, kind)
    }
}

fn right_veth() -> Link {
    Link {
        master: Some(5),
        ..link(7, LinkKind::Veth { peer: Some(3) })
    }
}

/// Returns the state of a kernel that has what [`bridge`], [`tap`] and [`veth`] ask for.
fn right() -> Observed {
    let address = Address {
        net: net(GATEWAY),
        secondary: false,
    };
    Observed {
        links: [
            (name("br-1"), right_bridge()),
            (name("vt-1"), right_tap()),
            (name("vt-2"), right_veth()),
        ]
        .into(),
        addresses: [(5, vec![address])].into(),
        namespaces: [("/run/netns/c".into(), Namespace::Known(3))].into(),
        forwarding: Forwarding {
            v4: true,
            v6: Some(false),
        },
        shaping: BTreeMap::new(),
    }
}

fn all() -> Desired {
    desired(&[bridge(&[GATEWAY])], &[tap(), veth()])
}

fn foreign(kind: &str) -> Link {
    Link {
        group: 0,
        ..link(9, LinkKind::Other(kind.to_owned()))
    }
}

#[test]
fn what_is_right_takes_no_step() {
    assert_eq!(plan(owner(), &right(), &all()), Plan::default());
}

#[test]
fn from_nothing_a_bridge_is_made_quiet_before_it_is_up_and_has_addresses() {
    let wanted = desired(&[bridge(&[GATEWAY, "fd00::1/64"])], &[]);
    let observed = Observed {
        forwarding: Forwarding {
            v4: false,
            v6: Some(false),
        },
        ..Observed::default()
    };
    let name = name("br-1");
    let set = |setting| Step::SetIpv6 {
        name: name.clone(),
        setting,
    };
    let add = |address| Step::AddAddress {
        name: name.clone(),
        address: net(address),
    };
    let expected = vec![
        Step::Forward(Family::V4),
        Step::Forward(Family::V6),
        Step::CreateBridge {
            name: name.clone(),
            mac: owner().bridge_mac(&name),
        },
        set(Ipv6Setting::Enable),
        set(Ipv6Setting::NoDad),
        set(Ipv6Setting::NoRouterAdvertisements),
        set(Ipv6Setting::NoAutoconf),
        Step::RouteLocalnet { name: name.clone() },
        Step::Set {
            name: name.clone(),
            change: Change {
                up: true,
                ..Change::default()
            },
        },
        add(GATEWAY),
        add("fd00::1/64"),
    ];
    let plan = plan(owner(), &observed, &wanted);
    assert_eq!(plan.steps, expected);
    assert!(plan.refused.is_empty());
}

#[test]
fn ports_come_after_their_bridge_and_a_pair_is_silenced() {
    let observed = Observed {
        links: [(name("br-1"), right_bridge())].into(),
        ..right()
    };
    let attach = |port: &str| Step::Set {
        name: name(port),
        change: Change {
            bridge: Some(name("br-1")),
            up: true,
            ..Change::default()
        },
    };
    let expected = vec![
        create_port(&tap()),
        attach("vt-1"),
        create_port(&veth()),
        Step::Silence { name: name("vt-2") },
        attach("vt-2"),
    ];
    assert_eq!(plan(owner(), &observed, &all()).steps, expected);
}

#[test]
fn only_our_own_leftovers_go() {
    let mut observed = right();
    observed
        .links
        .insert(name("vt-9"), link(12, LinkKind::Veth { peer: Some(4) }));
    observed.links.insert(name("docker0"), foreign("bridge"));
    let other_vch = Link {
        group: Owner::of(b"another VCH").group(),
        ..link(13, LinkKind::Bridge { plain: true })
    };
    observed.links.insert(name("br-8"), other_vch);
    let expected = vec![Step::Remove {
        name: name("vt-9"),
        index: 12,
    }];
    assert_eq!(plan(owner(), &observed, &all()).steps, expected);
}

#[test]
fn a_foreign_link_with_the_name_is_refused_by_name_and_the_rest_is_made() {
    let mut observed = right();
    observed.links.insert(name("vt-1"), foreign("dummy"));
    observed.links.remove(&name("vt-2"));
    let plan = plan(owner(), &observed, &all());
    let holder = Holder {
        kind: "dummy".to_owned(),
        index: 9,
        group: 0,
    };
    let refused = BTreeMap::from([(name("vt-1"), Refusal::NameTaken(holder))]);
    assert_eq!(plan.refused, refused);
    assert_eq!(plan.steps.first(), Some(&create_port(&veth())));
    assert!(
        plan.steps
            .iter()
            .all(|step| step.link() == Some(&name("vt-2")))
    );
}

#[test]
fn a_port_of_a_refused_bridge_is_refused_too() {
    let mut observed = right();
    observed.links.insert(name("br-1"), foreign("bridge"));
    let refused = plan(owner(), &observed, &desired(&[bridge(&[])], &[tap()])).refused;
    assert!(matches!(refused[&name("br-1")], Refusal::NameTaken(_)));
    assert!(matches!(refused[&name("vt-1")], Refusal::BridgeTaken(..)));
}

#[test]
fn a_port_without_its_bridge_is_refused() {
    let refusal = plan_port(owner(), &Observed::default(), &tap(), false);
    assert_eq!(refusal, Err(Refusal::NoBridge(name("br-1"))));
}

#[test]
fn a_pair_whose_namespace_is_closed_is_refused_and_left_alone() {
    let mut observed = right();
    let closed = Namespace::Closed(Errno::ENOENT);
    observed.namespaces.insert("/run/netns/c".into(), closed);
    let refusal = plan_port(owner(), &observed, &veth(), false);
    let expected = Refusal::NoNamespace("/run/netns/c".into(), Errno::ENOENT);
    assert_eq!(refusal, Err(expected));
}

#[test]
fn a_pair_that_leads_into_another_namespace_is_made_anew() {
    let mut observed = right();
    observed
        .namespaces
        .insert("/run/netns/c".into(), Namespace::Unknown);
    let steps = plan_port(owner(), &observed, &veth(), false).unwrap();
    let removal = Step::Remove {
        name: name("vt-2"),
        index: 7,
    };
    assert_eq!(steps[..2], [removal, create_port(&veth())]);
}

#[test]
fn a_tap_that_ordinary_users_can_open_is_closed_where_it_is() {
    let opened = |attached| {
        let mut observed = right();
        observed.links.get_mut(&name("vt-1")).unwrap().kind = LinkKind::Tap {
            closed: false,
            attached,
            persistent: true,
        };
        plan_port(owner(), &observed, &tap(), false)
    };
    let close = Step::CloseTap { name: name("vt-1") };
    assert_eq!(opened(false), Ok(vec![close]));
    assert_eq!(opened(true), Ok(Vec::new()), "its VM goes on");
}

#[test]
fn each_property_that_differs_is_changed_alone() {
    let mut observed = right();
    let tap_link = observed.links.get_mut(&name("vt-1")).unwrap();
    tap_link.mtu = 1400;
    let mut port = tap();
    port.mtu = Some(Mtu::try_from(1450).unwrap());
    let change = Change {
        mtu: port.mtu,
        ..Change::default()
    };
    let expected = vec![Step::Set {
        name: name("vt-1"),
        change,
    }];
    assert_eq!(plan_port(owner(), &observed, &port, false), Ok(expected));
}

#[test]
fn a_port_of_another_bridge_moves_over() {
    let mut observed = right();
    observed.links.get_mut(&name("vt-1")).unwrap().master = Some(99);
    let change = Change {
        bridge: Some(name("br-1")),
        ..Change::default()
    };
    let expected = vec![Step::Set {
        name: name("vt-1"),
        change,
    }];
    assert_eq!(plan_port(owner(), &observed, &tap(), false), Ok(expected));
}

#[test]
fn a_changed_bridge_is_set_right_without_being_made_anew() {
    let mut observed = right();
    let link = observed.links.get_mut(&name("br-1")).unwrap();
    link.kind = LinkKind::Bridge { plain: false };
    link.mac = vec![2, 1, 1, 1, 1, 1];
    link.ipv6.as_mut().unwrap().accept_ra = 1;
    link.route_localnet = false;
    let name = name("br-1");
    let change = Change {
        mac: Some(owner().bridge_mac(&name)),
        ..Change::default()
    };
    let expected = vec![
        Step::MakePlain { name: name.clone() },
        Step::SetIpv6 {
            name: name.clone(),
            setting: Ipv6Setting::NoRouterAdvertisements,
        },
        Step::RouteLocalnet { name: name.clone() },
        Step::Set { name, change },
    ];
    let steps = plan_bridge(owner(), &observed, &bridge(&[GATEWAY]));
    assert_eq!(steps, Ok(expected));
}

#[test]
fn addresses_swept_away_with_the_first_of_their_subnet_are_given_again() {
    let first = Address {
        net: net("172.18.0.9/16"),
        secondary: false,
    };
    let second = Address {
        net: net(GATEWAY),
        secondary: true,
    };
    let name = name("br-1");
    let remove = |address: Address| Step::RemoveAddress {
        name: name.clone(),
        address: address.net,
    };
    let add = |address: Address| Step::AddAddress {
        name: name.clone(),
        address: address.net,
    };
    let steps = plan_addresses(&name, &[first, second], &[second.net]);
    assert_eq!(steps, [remove(first), add(second)]);
    // The other way round nothing else goes.
    let steps = plan_addresses(&name, &[first, second], &[first.net]);
    assert_eq!(steps, [remove(second)]);
}

#[test]
fn forwarding_is_switched_on_for_the_families_in_use_only() {
    let off = Forwarding {
        v4: false,
        v6: Some(false),
    };
    let steps = plan_forwarding(off, [&bridge(&[GATEWAY])]);
    assert_eq!(steps, [Step::Forward(Family::V4)]);
    let steps = plan_forwarding(off, [&bridge(&["fd00::1/64"])]);
    assert_eq!(steps, [Step::Forward(Family::V6)]);
    assert_eq!(plan_forwarding(off, [&bridge(&[])]), []);
}

#[test]
fn a_removal_spares_a_foreign_link_of_that_name() {
    let observed = Observed {
        links: [(name("br-1"), foreign("bridge"))].into(),
        ..Observed::default()
    };
    assert_eq!(plan_removal(owner(), &observed), []);
}

#[test]
fn many_are_removed_at_once_and_one_alone() {
    let mark_pending_deletion = |text, index| Step::MarkPendingDeletion {
        name: name(text),
        index,
    };
    let expected = [
        mark_pending_deletion("br-1", 5),
        mark_pending_deletion("vt-1", 6),
        mark_pending_deletion("vt-2", 7),
        Step::RemovePendingDeletion,
    ];
    assert_eq!(plan_removal(owner(), &right()), expected);
    let mut observed = right();
    observed.links.retain(|n, _| *n == name("vt-1"));
    let expected = [remove(&name("vt-1"), &right_tap())];
    assert_eq!(plan_removal(owner(), &observed), expected);
}

#[test]
fn what_a_crash_left_pending_deletion_is_made_anew() {
    let mut observed = right();
    for link in observed.links.values_mut() {
        link.group = owner().pending_deletion();
    }
    let steps = plan(owner(), &observed, &all()).steps;
    for (link, index) in [("br-1", 5), ("vt-1", 6), ("vt-2", 7)] {
        let name = name(link);
        let mut of_link = steps.iter().filter(|step| step.link() == Some(&name));
        assert_eq!(
            of_link.next(),
            Some(&Step::Remove {
                name: name.clone(),
                index
            })
        );
        assert!(of_link.next().unwrap().creates());
    }
}

#[test]
fn marks_and_bridge_addresses_are_stable_and_differ_between_hosts() {
    let other = Owner::of(b"another VCH");
    assert_eq!(owner(), Owner::of(b"a VCH"));
    assert_ne!(owner(), other);
    assert!(owner().group() >> 29 == 2, "{:?}", owner());
    let here = owner().bridge_mac(&name("br-1"));
    assert_ne!(here, other.bridge_mac(&name("br-1")));
    assert_ne!(here, owner().bridge_mac(&name("br-2")));
    assert_eq!(here.octets()[0], 2);
}

#[test]
fn a_holder_is_told_so_that_it_can_be_found() {
    let told = Holder::from(&foreign("dummy")).to_string();
    assert_eq!(told, "a dummy link (index 9, group 0x0)");
    let told = Holder::from(&foreign("")).to_string();
    assert_eq!(told, "a physical link (index 9, group 0x0)");
}
