//! Checks configurations against interfaces.

use super::parse;
use crate::config::{Links, LinksError};

fn links(text: &[(&str, &[&str])]) -> Links {
    let links = text.iter().map(|(name, nets)| {
        let nets = nets.iter().map(|net| net.parse().unwrap()).collect();
        (name.parse().unwrap(), nets)
    });
    Links(links.collect())
}

fn verified(text: &[(&str, &[&str])]) -> Result<(), LinksError> {
    links(text).verify(&parse("").expect("valid"))
}

const GOOD: [(&str, &[&str]); 4] = [
    ("lo", &["127.0.0.1/8"]),
    ("eth0", &["192.0.2.2/24", "fe80::1/64"]),
    ("eth1", &["198.51.100.2/32"]),
    ("eth2", &["10.2.0.9/16", "10.2.0.2/16"]),
];

/// Returns [`GOOD`] with other addresses on one interface.
fn with<'a>(link: &str, nets: &'a [&'a str]) -> Vec<(&'static str, &'a [&'a str])> {
    let swap = |(name, good): (&'static str, &'static [&'static str])| {
        (name, if name == link { nets } else { good })
    };
    GOOD.into_iter().map(swap).collect()
}

#[test]
fn a_vch_with_every_declared_link_and_address_is_taken() {
    assert_eq!(verified(&GOOD), Ok(()));
}

#[test]
fn a_link_that_is_not_there_is_named_with_those_that_are() {
    for (missing, field) in [
        (1, "`management.interface` cannot be `eth0`"),
        (2, "`docker_endpoint.interface` cannot be `eth1`"),
        (
            3,
            "`external.interface` of default-external cannot be `eth2`",
        ),
    ] {
        let mut there = GOOD.to_vec();
        there.remove(missing);
        let refused = verified(&there).expect_err("one is missing").to_string();
        assert!(refused.starts_with(field), "{refused}");
        for (name, _) in &there[1..] {
            assert!(refused.contains(name), "{refused}");
        }
        assert!(!refused.contains("lo,"), "{refused}");
    }
}

#[test]
fn an_address_that_is_not_borne_is_told_how_to_add_it() {
    let refused = verified(&with("eth0", &["192.0.2.3/24"])).expect_err("another one");
    assert_eq!(
        refused.to_string(),
        "`management.address` cannot be `192.0.2.2`: eth0 bears 192.0.2.3/24: \
         `ip address add 192.0.2.2/PREFIX dev eth0`, or write an address that it bears"
    );
    let refused = verified(&with("eth1", &[])).expect_err("none").to_string();
    assert!(refused.contains("`docker_endpoint.address`"), "{refused}");
    assert!(refused.contains("eth1 bears none"), "{refused}");
    let refused = verified(&with("eth2", &["10.2.0.9/16"])).expect_err("another");
    let refused = refused.to_string();
    assert!(
        refused.starts_with("`external.subnets.address` of default-external"),
        "{refused}"
    );
    assert!(
        refused.contains("`ip address add 10.2.0.2/16 dev eth2`"),
        "{refused}"
    );
}

#[test]
fn of_many_links_only_some_are_named() {
    let names: Vec<String> = (0..4000).map(|number| format!("vt-{number}")).collect();
    let many: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let refused = verified(&many).expect_err("eth0 is missing").to_string();
    assert!(refused.ends_with(", 3984 more"), "{refused}");
}

#[test]
fn the_kernel_s_links_are_read_with_their_addresses() {
    let links = Links::observe().expect("readable");
    let loopback = &links.0[&"lo".parse().unwrap()];
    assert!(
        loopback.contains(&"127.0.0.1/8".parse().unwrap()),
        "{loopback:?}"
    );
}
