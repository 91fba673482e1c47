use super::*;
use std::collections::BTreeMap;
use vch_ledger::{Id, NetworkId, desired::NetworkBacking};

fn dns() -> vch_dns::Config {
    vch_dns::Config::default()
}

#[test]
fn a_ledger_needs_files_for_its_gateways_of_both_families_and_its_containers() {
    let backing = NetworkBacking {
        segment: Segment::Dedicated("br-1".parse().unwrap()),
        subnets: Vec::new(),
        addresses: vec![
            "172.18.0.1/16".parse().unwrap(),
            "fd00::1/64".parse().unwrap(),
        ],
        mtu: None,
        dns_ttl: None,
        internal: false,
        isolated: false,
        untranslated: false,
    };
    let whole = Delta {
        networks: BTreeMap::from([
            (NetworkId::from_bytes([1; 32]), Some(backing)),
            (NetworkId::from_bytes([2; 32]), None),
        ]),
        ..Delta::default()
    };
    let (load, none) = (Load::of(&whole), Load::of(&Delta::default()));
    assert_eq!(load.gateways, 2);
    assert_eq!(load.files(&dns()) - none.files(&dns()), 4);
}

#[test]
fn a_limit_below_what_the_ledger_needs_is_refused_with_both_numbers() {
    let load = Load {
        gateways: 1_000,
        containers: 500,
    };
    let needed = load.files(&dns());
    check(needed, load, &dns()).unwrap();
    let refused = check(needed - 1, load, &dns()).unwrap_err().to_string();
    for words in [
        format!("limit is {}", needed - 1),
        format!("{needed} are needed for 1000 gateways and 500 containers"),
        "ulimit -Hn".to_owned(),
    ] {
        assert!(refused.contains(&words), "{refused}");
    }
}

#[test]
fn the_limit_that_is_said_to_hold_is_the_kernels() {
    let limit = raise(&dns()).unwrap();
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert_eq!(limit, soft);
    assert_eq!(raise(&dns()).unwrap(), limit, "raised once");
}

#[test]
fn connections_to_the_docker_api_are_counted_with_what_each_opens() {
    let none = Load::of(&Delta::default());
    let all = u64::try_from(4 * docker_api::server::MAX_CONNECTIONS).unwrap();
    assert!(
        none.files(&dns()) > all,
        "each with a shim and a log of two files"
    );
    let one = Load {
        containers: 1,
        ..none
    };
    assert_eq!(
        one.files(&dns()) - none.files(&dns()),
        3,
        "channel, session, shim"
    );
}
