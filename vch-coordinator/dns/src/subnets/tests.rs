use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn a_prefix_is_covered_by_a_subnet_that_contains_all_of_it() {
    let mut subnets = Subnets::default();
    subnets.add(net("172.18.0.1/16"));
    subnets.add(net("fd00:1::/64"));
    assert!(subnets.cover(net("172.18.7.9/32")));
    assert!(subnets.cover(net("172.18.0.0/16")));
    assert!(!subnets.cover(net("172.0.0.0/8")));
    assert!(!subnets.cover(net("172.19.0.1/32")));
    assert!(subnets.cover(net("fd00:1::5/128")));
    assert!(!subnets.cover(net("fd00:2::5/128")));
}

#[test]
fn a_subnet_stays_until_it_was_removed_as_often_as_added() {
    let mut subnets = Subnets::default();
    subnets.add(net("10.0.0.0/8"));
    subnets.add(net("10.0.0.0/8"));
    subnets.remove(net("10.0.0.0/8"));
    assert!(subnets.cover(net("10.1.2.3/32")));
    subnets.remove(net("10.0.0.0/8"));
    assert!(!subnets.cover(net("10.1.2.3/32")));
    subnets.remove(net("10.0.0.0/8"));
    assert!(subnets.lengths.is_empty());
}
