use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::name;

fn set() -> Set {
    Set::new(name!("s"), [DataType::Ipv4])
}

#[test]
fn an_element_that_does_not_fit_its_set_is_refused_and_says_why() {
    let address = |n: u32| Datum::from(Ipv4Addr::from(n));
    let cases = [
        (set(), Element::new([Datum::Service(1)])),
        (set(), Element::new([address(1), address(2)])),
        (set(), Element::range([address(1)], [address(2)])),
        (set(), Element::new([address(1)]).to_verdict(Verdict::Drop)),
        (set().with_intervals(), Element::new([address(1)])),
        (
            set().with_intervals(),
            Element::range([address(2)], [address(1)]),
        ),
        (
            Set::map(name!("m"), [DataType::Ipv4], [DataType::Mark]),
            Element::new([address(1)]).to_values([address(1)]),
        ),
        (
            Set::verdict_map(name!("v"), [DataType::Ipv4]),
            Element::new([address(1)]),
        ),
    ];
    for (set, element) in cases {
        let error = set.check_element(&element).unwrap_err();
        assert!(error.to_string().contains(&element.to_string()), "{error}");
    }
    assert!(set().check_element(&Element::new([address(1)])).is_ok());
}

#[test]
fn ranges_are_printed_as_subnets_only_where_they_are_subnets() {
    let range = |first: [u8; 4], last: [u8; 4]| {
        Element::range(
            [Ipv4Addr::from(first).into()],
            [Ipv4Addr::from(last).into()],
        )
        .to_string()
    };
    assert_eq!(range([10, 0, 0, 0], [10, 0, 0, 255]), "10.0.0.0/24");
    assert_eq!(range([10, 0, 0, 1], [10, 0, 0, 255]), "10.0.0.1-10.0.0.255");
    assert_eq!(range([10, 0, 0, 1], [10, 0, 0, 2]), "10.0.0.1-10.0.0.2");
    assert_eq!(range([10, 0, 0, 1], [10, 0, 0, 1]), "10.0.0.1");
    assert_eq!(range([0; 4], [255; 4]), "0.0.0.0/0");
    let all = Element::subnet(Ipv6Addr::LOCALHOST.into(), 0);
    assert_eq!(all.to_string(), "::/0");
    let one = Element::subnet(Ipv6Addr::LOCALHOST.into(), 200);
    assert_eq!(one.to_string(), "::1");
}
