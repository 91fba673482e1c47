use super::*;
use proptest::prelude::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn route(destination: IpNet, metric: u32, link: u32) -> Route {
    let rank = Rank {
        table: 254,
        metric,
        tos: 0,
    };
    let way = Way {
        rank,
        link: Some(link),
        gateway: None,
    };
    Route { destination, way }
}

fn table(destinations: &[&str]) -> Table {
    Table::of(destinations.iter().map(|to| route(net(to), 0, 2)))
}

#[test]
fn a_subnet_overlaps_routes_that_hold_it_and_routes_within_it() {
    let table = table(&["10.0.0.0/8", "10.1.0.0/16", "192.168.7.0/24", "fd00:1::/32"]);
    let overlap = |subnet: &str| table.overlap(&net(subnet)).map(|n| n.to_string());
    assert_eq!(overlap("10.1.2.0/24").as_deref(), Some("10.0.0.0/8"));
    assert_eq!(overlap("10.0.0.0/8").as_deref(), Some("10.0.0.0/8"));
    assert_eq!(overlap("192.168.0.0/16").as_deref(), Some("192.168.7.0/24"));
    assert_eq!(overlap("fd00:1:2::/48").as_deref(), Some("fd00:1::/32"));
    assert_eq!(overlap("192.168.8.0/24"), None);
    assert_eq!(overlap("172.18.0.0/16"), None);
    assert_eq!(overlap("fd00:2::/48"), None);
}

#[test]
fn a_destination_stays_until_its_last_route_goes() {
    let mut table = Table::default();
    let to = net("10.9.0.0/16");
    table.insert(route(to, 100, 2));
    table.insert(route(to, 200, 3));
    assert!(table.remove(&route(to, 100, 2)));
    assert_eq!(table.overlap(&to), Some(to));
    assert!(table.remove(&route(to, 200, 3)));
    assert_eq!(table, Table::default());
    assert!(
        !table.remove(&route(to, 200, 3)),
        "it was not known any more"
    );
}

#[test]
fn a_replacement_leaves_no_trace_of_what_it_replaces() {
    let mut table = Table::default();
    let to = net("10.9.0.0/16");
    table.insert(route(to, 100, 2));
    table.replace(route(to, 100, 3));
    assert!(table.remove(&route(to, 100, 3)));
    assert_eq!(table, Table::default());
}

#[test]
fn the_routes_of_a_link_go_with_it() {
    let mut table = Table::default();
    table.insert(route(net("10.9.0.0/16"), 0, 2));
    table.insert(route(net("10.8.0.0/16"), 0, 3));
    table.remove_link(2);
    assert_eq!(table, Table::of([route(net("10.8.0.0/16"), 0, 3)]));
}

#[test]
fn defaults_loopback_link_local_and_multicast_are_not_heeded() {
    let noise = [
        "0.0.0.0/0",
        "128.0.0.0/1",
        "127.0.0.0/8",
        "127.0.0.1/32",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/0",
        "2000::/3",
        "::1/128",
        "fe80::/64",
        "ff00::/8",
    ];
    for destination in noise {
        assert!(!is_heeded(&net(destination)), "{destination}");
    }
    for destination in ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8", "2001:db8::1/128"] {
        assert!(is_heeded(&net(destination)), "{destination}");
    }
}

fn any_net() -> impl Strategy<Value = IpNet> {
    // Few distinct bits, so that nets meet.
    (0_u32..16, 4_u8..=10).prop_map(|(bits, length)| {
        IpNet::from(Ipv4Net::new_assert((bits << 22).into(), length)).trunc()
    })
}

proptest! {
    #[test]
    fn an_overlap_is_found_exactly_where_there_is_one(
        nets in proptest::collection::vec(any_net(), 0..12),
        subnet in any_net(),
    ) {
        let table = Table::of(nets.iter().map(|to| route(*to, 0, 2)));
        let meets = |to: &&IpNet| to.contains(&subnet) || subnet.contains(*to);
        let expected = nets.iter().any(|to| meets(&to));
        let found = table.overlap(&subnet);
        prop_assert_eq!(found.is_some(), expected);
        prop_assert!(found.is_none_or(|to| meets(&&to)));
    }
}
