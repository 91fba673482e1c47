use super::Space;
use crate::{Id, NetworkId, Pool};
use ipnet::{IpNet, Ipv4Net};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn pool(base: &str, size: u8) -> Pool {
    Pool::new(net(base), size).unwrap()
}

fn network(n: u8) -> NetworkId {
    NetworkId::from_bytes([n; 32])
}

fn meets(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

fn no_route(_: &IpNet) -> Option<IpNet> {
    None
}

#[test]
fn an_overlap_is_seen_from_within_and_from_around() {
    let mut space = Space::new([]);
    space.occupy(net("10.1.0.0/16"), network(1));
    space.occupy(net("10.3.0.0/16"), network(3));
    for (candidate, met) in [
        ("10.1.2.0/24", Some(1)),
        ("10.1.255.252/30", Some(1)),
        ("10.1.0.0/16", Some(1)),
        ("10.0.0.0/15", Some(1)),
        ("10.0.0.0/8", Some(3)),
        ("10.2.0.0/16", None),
        ("10.0.0.0/16", None),
        ("10.4.0.0/14", None),
        ("fd00::/64", None),
    ] {
        let found = space.overlap(&net(candidate)).map(|(_, id)| id);
        assert_eq!(found, met.map(network), "{candidate}");
    }
}

#[test]
fn a_route_of_the_host_is_gone_around_whatever_its_size() {
    let space = Space::new([pool("10.0.0.0/14", 16), pool("192.168.0.0/16", 24)]);
    for (routes, chosen) in [
        (vec!["10.0.3.0/24"], Some("10.1.0.0/16")),
        (vec!["10.0.0.0/15"], Some("10.2.0.0/16")),
        (vec!["10.0.0.0/8"], Some("192.168.0.0/24")),
        (
            vec!["10.0.0.0/8", "192.168.0.128/25"],
            Some("192.168.1.0/24"),
        ),
        (vec!["10.0.0.0/8", "192.168.0.0/16"], None),
    ] {
        let overlap = |candidate: &IpNet| {
            let mut nets = routes.iter().map(|route| net(route));
            nets.find(|route| meets(route, candidate))
        };
        assert_eq!(
            space.choose(true, &[], &overlap),
            chosen.map(net),
            "{routes:?}"
        );
    }
}

#[test]
fn the_default_pools_hold_more_than_four_thousand_networks() {
    let mut space = Space::new(crate::default_pools());
    let mut count = 0;
    while let Some(chosen) = space.choose(true, &[], &no_route) {
        match count {
            0 => assert_eq!(chosen, net("172.17.0.0/16")),
            1 => assert_eq!(chosen, net("172.18.0.0/16")),
            15 => assert_eq!(chosen, net("192.168.0.0/24")),
            271 => assert_eq!(chosen, net("10.0.0.0/22")),
            _ => {}
        }
        assert_eq!(space.overlap(&chosen), None);
        space.occupy(chosen, network(0));
        count += 1;
    }
    assert_eq!(count, 15 + 256 + 16_384);
}

#[test]
fn a_pool_refuses_what_can_not_be_networks() {
    for (base, size) in [
        ("10.0.0.1/8", 16),
        ("10.0.0.0/8", 7),
        ("10.0.0.0/8", 31),
        ("127.0.0.0/8", 24),
        ("224.0.0.0/8", 24),
        ("0.0.0.0/0", 8),
        ("fe80::/16", 64),
        ("fd00::/48", 127),
    ] {
        let refused = Pool::new(net(base), size);
        assert!(refused.is_err(), "{base} cut to /{size}");
    }
}

/// Subnets of 10.0.0.0/20: some smaller than the pool's blocks, some larger.
fn subnet() -> impl Strategy<Value = IpNet> {
    (18u8..=27, 0u32..4096).prop_map(|(prefix, offset)| {
        let address = (0x0a00_0000 | offset).into();
        IpNet::V4(Ipv4Net::new(address, prefix).unwrap().trunc())
    })
}

proptest! {
    #[test]
    fn what_is_chosen_is_the_first_block_that_meets_nothing(
        steps in prop::collection::vec((any::<bool>(), subnet(), any::<prop::sample::Index>()), 1..40),
        also in subnet(),
        route in subnet(),
    ) {
        let base = pool("10.0.0.0/20", 24);
        let (mut space, mut model) = (Space::new([base]), BTreeSet::new());
        for (occupy, candidate, index) in steps {
            let met = model.iter().any(|other| meets(other, &candidate));
            prop_assert_eq!(space.overlap(&candidate).is_some(), met);
            if occupy && !met {
                space.occupy(candidate, network(1));
                model.insert(candidate);
            } else if !occupy && !model.is_empty() {
                let gone = *index.get(&model.iter().copied().collect::<Vec<_>>());
                space.vacate(gone);
                model.remove(&gone);
            }
            let overlap = |candidate: &IpNet| meets(&route, candidate).then_some(route);
            let free = base.base().subnets(24).unwrap().find(|block| {
                let mut others = model.iter().chain([&also, &route]);
                !others.any(|other| meets(other, block))
            });
            prop_assert_eq!(space.choose(true, &[also], &overlap), free);
        }
        for gone in model {
            space.vacate(gone);
        }
        prop_assert_eq!(space, Space::new([base]), "nothing is left behind");
    }
}
