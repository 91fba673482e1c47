use super::SubnetState;
use crate::{AddressRange, EndpointId, Grants, Id, Revision, Subnet};
use ipnet::IpNet;
use std::net::IpAddr;

fn subnet(net: &str, gateway: &str, range: Option<&str>, kept: &[&str]) -> Subnet {
    let auxiliary = kept.iter().map(|a| ((*a).to_owned(), a.parse().unwrap()));
    let ranges = range.into_iter();
    let ranges = ranges.map(|range| AddressRange::from(range.parse::<IpNet>().unwrap()));
    Subnet {
        net: net.parse().unwrap(),
        gateway: Some(ip(gateway)),
        vch: Some(ip(gateway)),
        ranges: ranges.collect(),
        auxiliary: auxiliary.collect(),
    }
}

fn entry(subnet: &Subnet) -> SubnetState {
    SubnetState::new(subnet, &Grants::Whole)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Takes the next automatic address as a transaction does.
fn next(entry: &mut SubnetState) -> Option<IpAddr> {
    let choice = entry.choose()?;
    if choice.cursor.is_some() {
        entry.set_cursor(choice.cursor);
    }
    entry.rouse(choice.address);
    entry.take(choice.address, EndpointId::from_bytes([1; 32]));
    Some(choice.address)
}

fn all(entry: &mut SubnetState) -> Vec<String> {
    let mut taken = Vec::new();
    while let Some(address) = next(entry) {
        taken.push(address.to_string());
    }
    taken
}

#[test]
fn every_host_is_handed_out_once_but_what_is_kept_back() {
    let kept = subnet("10.0.0.0/29", "10.0.0.1", None, &["10.0.0.4"]);
    assert_eq!(
        all(&mut entry(&kept)),
        ["10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6"]
    );
    let high = subnet("10.0.0.0/29", "10.0.0.6", Some("10.0.0.4/30"), &[]);
    assert_eq!(all(&mut entry(&high)), ["10.0.0.4", "10.0.0.5"]);
    let v6 = subnet("fd00::/126", "fd00::1", None, &[]);
    assert_eq!(all(&mut entry(&v6)), ["fd00::2", "fd00::3"]);
    let top = subnet(
        "fdff:ffff:ffff:ffff::/64",
        "fdff:ffff:ffff:ffff::1",
        Some("fdff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"),
        &[],
    );
    assert_eq!(all(&mut entry(&top)).len(), 2);
    let tiny = subnet("10.0.0.0/30", "10.0.0.1", Some("10.0.0.0/31"), &[]);
    assert_eq!(
        all(&mut entry(&tiny)),
        [""; 0],
        "the range holds no host but the gateway"
    );
}

#[test]
fn a_freed_address_is_the_last_to_be_handed_out_again() {
    let mut entry = entry(&subnet("10.0.0.0/29", "10.0.0.1", None, &[]));
    for expected in ["10.0.0.2", "10.0.0.3"] {
        assert_eq!(next(&mut entry), Some(ip(expected)));
    }
    for (address, since) in [("10.0.0.3", 1), ("10.0.0.2", 2)] {
        entry.release(ip(address));
        entry.rest(ip(address), Revision(since));
    }
    assert_eq!(
        all(&mut entry),
        ["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.3", "10.0.0.2"],
        "first those never used, then the one that has rested longest"
    );
}

#[test]
fn an_address_that_no_longer_rests_by_name_waits_behind_the_cursor() {
    let mut entry = entry(&subnet("10.0.0.0/29", "10.0.0.1", None, &[]));
    for _ in 0..3 {
        next(&mut entry);
    }
    // 2 to 4 are taken; 2 is given back and roused at once, as with more rest than the limit lets.
    entry.release(ip("10.0.0.2"));
    entry.rest(ip("10.0.0.2"), Revision(1));
    entry.rouse(ip("10.0.0.2"));
    assert_eq!(all(&mut entry), ["10.0.0.5", "10.0.0.6", "10.0.0.2"]);
}

#[test]
fn the_order_of_a_transactions_changes_does_not_matter() {
    let fresh = || {
        let mut entry = entry(&subnet("10.0.0.0/29", "10.0.0.1", None, &[]));
        entry.rest(ip("10.0.0.5"), Revision(1));
        entry
    };
    let endpoint = EndpointId::from_bytes([1; 32]);
    let (mut one, mut other) = (fresh(), fresh());
    one.rouse(ip("10.0.0.5"));
    one.take(ip("10.0.0.5"), endpoint);
    other.take(ip("10.0.0.5"), endpoint);
    other.rouse(ip("10.0.0.5"));
    assert_eq!(one, other);
    one.release(ip("10.0.0.5"));
    one.rest(ip("10.0.0.5"), Revision(2));
    other.rest(ip("10.0.0.5"), Revision(2));
    other.release(ip("10.0.0.5"));
    assert_eq!(one, other);
}

#[test]
fn an_address_outside_the_range_can_be_held_but_is_never_automatic() {
    let mut entry = entry(&subnet("10.0.0.0/24", "10.0.0.1", Some("10.0.0.8/30"), &[]));
    assert!(!entry.is_automatic(ip("10.0.0.77")));
    let endpoint = EndpointId::from_bytes([7; 32]);
    entry.take(ip("10.0.0.77"), endpoint);
    assert_eq!(entry.holder(ip("10.0.0.77")), Some(endpoint));
    entry.release(ip("10.0.0.77"));
    assert_eq!(entry.holder(ip("10.0.0.77")), None);
    assert_eq!(
        all(&mut entry),
        ["10.0.0.8", "10.0.0.9", "10.0.0.10", "10.0.0.11"]
    );
}

/// Tests the worst case of a /8: every second address is taken, and the search goes all the way round.
#[test]
fn an_address_of_a_fragmented_slash_8_costs_what_one_of_an_empty_one_costs() {
    let range = Some("10.0.0.0/12");
    let mut entry = entry(&subnet("10.0.0.0/8", "10.0.0.1", range, &[]));
    let endpoint = EndpointId::from_bytes([1; 32]);
    let quickest = |entry: &mut SubnetState| {
        let times = (0..200).map(|_| {
            let begun = std::time::Instant::now();
            let address = next(entry).unwrap();
            entry.release(address);
            entry.set_cursor(Some(ip("10.15.255.255")));
            begun.elapsed()
        });
        times.min().unwrap()
    };
    let empty = quickest(&mut entry);
    let addresses = (0..1u32 << 20).step_by(2);
    for address in addresses.map(|n| std::net::Ipv4Addr::from(0x0a00_0000 + n)) {
        entry.take(address.into(), endpoint);
    }
    let fragmented = quickest(&mut entry);
    println!("an address of an empty range: {empty:?}, among half a million holes: {fragmented:?}");
    assert!(fragmented < empty * 10, "{empty:?} became {fragmented:?}");
}
