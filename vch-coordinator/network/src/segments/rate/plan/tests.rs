use super::*;
use crate::segments::{PortKind, observed::LinkIpv6, rate::bucket::Peak};

fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

fn owner() -> Owner {
    Owner::of(b"a VCH")
}

fn port(rate: Option<&str>) -> Port {
    Port {
        name: name("vt-1"),
        bridge: name("br-1"),
        foreign: false,
        kind: PortKind::Tap,
        mtu: None,
        limit: rate.map(|rate| Limit {
            rate: rate.parse().unwrap(),
            ifb: name("vi-1"),
        }),
    }
}

fn link(index: u32, kind: &str) -> Link {
    Link {
        index,
        group: owner().group(),
        up: true,
        mtu: 1500,
        mac: vec![2, 0, 0, 0, 0, 9],
        master: None,
        kind: LinkKind::Other(kind.to_owned()),
        ipv6: Some(LinkIpv6 {
            no_link_local: true,
            ..LinkIpv6::default()
        }),
        route_localnet: false,
    }
}

fn bucket(rate: &str) -> TokenBucket {
    TokenBucket::of(rate.parse().unwrap(), 1500)
}

/// A kernel that has what `port(Some(rate))` asks for: the port is link 6, its limit's own link 7.
fn right(rate: &str) -> Observed {
    let egress = Egress::Ours(Some(bucket(rate)));
    let of = |ingress| Shaping {
        egress: egress.clone(),
        ingress,
    };
    Observed {
        links: [(name("vt-1"), link(6, "tap")), (name("vi-1"), link(7, IFB))].into(),
        shaping: [(6, of(Ingress::Redirected(7))), (7, of(Ingress::Unchanged))].into(),
        ..Observed::default()
    }
}

fn plan(observed: &Observed, port: &Port) -> Vec<Step> {
    let link = observed.links.get(&port.name);
    plan_limit(owner(), observed, port, link).unwrap()
}

fn set(link: &str, bucket: TokenBucket) -> Step {
    Step::SetBucket {
        name: name(link),
        bucket,
    }
}

fn redirect() -> [Step; 2] {
    let (name, ifb) = (name("vt-1"), name("vi-1"));
    let add = Step::AddIngress { name: name.clone() };
    [add, Step::Redirect { name, ifb }]
}

fn created() -> [Step; 3] {
    let name = name("vi-1");
    let change = Change {
        up: true,
        ..Change::default()
    };
    [
        Step::CreateIfb { name: name.clone() },
        Step::Silence { name: name.clone() },
        Step::Set { name, change },
    ]
}

#[test]
fn what_is_right_is_not_touched() {
    assert_eq!(plan(&right("10mbit"), &port(Some("10mbit"))), []);
    assert_eq!(plan(&Observed::default(), &port(None)), []);
}

#[test]
fn a_new_port_is_limited_before_anything_is_led_elsewhere() {
    let buckets = ["vi-1", "vt-1"].map(|link| set(link, bucket("10mbit")));
    let steps = plan(&Observed::default(), &port(Some("10mbit")));
    let expected: Vec<_> = created()
        .into_iter()
        .chain(buckets)
        .chain(redirect())
        .collect();
    assert_eq!(steps, expected);
}

#[test]
fn another_rate_changes_both_buckets_and_nothing_else() {
    let steps = plan(&right("10mbit"), &port(Some("2gbit")));
    assert_eq!(
        steps,
        ["vi-1", "vt-1"].map(|link| set(link, bucket("2gbit")))
    );
}

#[test]
fn a_limit_that_goes_leaves_the_way_in_first() {
    let expected = [
        Step::RemoveIngress { name: name("vt-1") },
        Step::RemoveBucket { name: name("vt-1") },
    ];
    assert_eq!(plan(&right("10mbit"), &port(None)), expected);
}

#[test]
fn what_others_limit_or_filter_by_hand_stays_while_there_is_no_limit() {
    let mut observed = right("10mbit");
    let shaping = Shaping {
        egress: Egress::Other,
        ingress: Ingress::Other,
    };
    observed.shaping.insert(6, shaping);
    assert_eq!(plan(&observed, &port(None)), []);
    let [add, to] = redirect();
    let expected = [
        set("vt-1", bucket("10mbit")),
        Step::RemoveIngress { name: name("vt-1") },
        add,
        to,
    ];
    assert_eq!(plan(&observed, &port(Some("10mbit"))), expected);
}

#[test]
fn each_part_that_others_took_away_comes_back_alone() {
    let wanted = port(Some("10mbit"));
    for (index, link) in [(6, "vt-1"), (7, "vi-1")] {
        let mut observed = right("10mbit");
        observed.shaping.get_mut(&index).unwrap().egress = Egress::Other;
        assert_eq!(plan(&observed, &wanted), [set(link, bucket("10mbit"))]);
        observed.shaping.get_mut(&index).unwrap().egress = Egress::Ours(None);
        let removed = Step::RemoveBucket { name: name(link) };
        assert_eq!(
            plan(&observed, &wanted),
            [removed, set(link, bucket("10mbit"))]
        );
    }
    let mut observed = right("10mbit");
    observed.shaping.get_mut(&6).unwrap().ingress = Ingress::Unchanged;
    assert_eq!(plan(&observed, &wanted), redirect());

    // The filter leads to a link that is gone.
    let mut observed = right("10mbit");
    observed.links.remove(&name("vi-1"));
    observed.shaping.remove(&7);
    observed.shaping.get_mut(&6).unwrap().ingress = Ingress::Redirected(0);
    let mut expected = created().to_vec();
    expected.push(set("vi-1", bucket("10mbit")));
    expected.push(Step::RemoveIngress { name: name("vt-1") });
    expected.extend(redirect());
    assert_eq!(plan(&observed, &wanted), expected);

    let mut observed = right("10mbit");
    observed.links.get_mut(&name("vi-1")).unwrap().up = false;
    assert_eq!(plan(&observed, &wanted), created()[2..]);
}

#[test]
fn a_link_of_ours_that_is_something_else_makes_room_and_a_foreign_one_is_told() {
    let mut observed = right("10mbit");
    observed.links.insert(name("vi-1"), link(7, "dummy"));
    let steps = plan(&observed, &port(Some("10mbit")));
    let removed = Step::Remove {
        name: name("vi-1"),
        index: 7,
    };
    assert_eq!(steps[0], removed);
    assert_eq!(steps[1..4], created());
    let foreign = Link {
        group: 0,
        ..link(7, "dummy")
    };
    observed.links.insert(name("vi-1"), foreign.clone());
    let refused = plan_limit(owner(), &observed, &port(Some("10mbit")), None);
    assert_eq!(refused, Err(LinkTaken(name("vi-1"), foreign)));
}

#[test]
fn larger_frames_have_larger_buckets() {
    let frame = |port: &Port, observed: &Observed| {
        let steps = plan(observed, port);
        let buckets = steps.iter().filter_map(|step| match step {
            Step::SetBucket { bucket, .. } => bucket.peak,
            _ => None,
        });
        let peaks: Vec<Peak> = buckets.collect();
        peaks[0]
    };
    let wanted = port(Some("10mbit"));
    let mut observed = right("20mbit");
    let usual = frame(&wanted, &observed);
    observed.links.get_mut(&name("vt-1")).unwrap().mtu = 9000;
    assert!(frame(&wanted, &observed).rate > 5 * usual.rate);
    let given = Port {
        mtu: Some(1500.try_into().unwrap()),
        ..wanted
    };
    assert_eq!(frame(&given, &observed), usual);
}
