use crate::networks::ipam::*;

fn config(subnet: &str, range: &str, gateway: &str, auxiliary: &[(&str, &str)]) -> IpamConfig {
    let text = |text: &str| Some(text.to_owned());
    let auxiliary = auxiliary.iter();
    let auxiliary = auxiliary.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    IpamConfig {
        subnet: text(subnet),
        ip_range: text(range),
        gateway: text(gateway),
        auxiliary_addresses: Some(auxiliary.collect()),
    }
}

fn refused(config: IpamConfig) -> String {
    subnets(&[config], (true, true)).unwrap_err().message
}

#[test]
fn what_is_right_becomes_the_ledgers_request() {
    let all = [
        config(
            "10.1.0.0/16",
            "10.1.2.0/24",
            "10.1.0.9",
            &[("a", "10.1.0.8")],
        ),
        config("fd00::/64", "", "", &[]),
    ];
    let both = subnets(&all, (true, true)).unwrap();
    assert_eq!(both[0].net.to_string(), "10.1.0.0/16");
    assert_eq!(both[0].range.unwrap().to_string(), "10.1.2.0/24");
    assert_eq!(both[0].gateway.unwrap().to_string(), "10.1.0.9");
    assert_eq!(both[0].auxiliary["a"].to_string(), "10.1.0.8");
    assert_eq!((both[1].range, both[1].gateway), (None, None));
    // Subnets of a family that the network does not have are ignored.
    assert_eq!(subnets(&all, (true, false)).unwrap(), both[..1]);
}

#[test]
fn what_is_wrong_is_said_as_dockerd_says_it() {
    for (config, words) in [
        (
            config("10.10.10.0/8", "", "", &[]),
            "invalid subnet 10.10.10.0/8: it should be 10.0.0.0/8",
        ),
        (
            config("", "", "", &[]),
            "invalid subnet : invalid CIDR block notation",
        ),
        (
            config("10.1.0.0/16", "10.0.0.0/8", "", &[]),
            "invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.1.0.0/16",
        ),
        (
            config("10.1.0.0/16", "10.2.0.0/24", "", &[]),
            "invalid ip-range 10.2.0.0/24: parent subnet 10.1.0.0/16 doesn't contain ip-range",
        ),
        (
            config("10.1.0.0/16", "", "10.2.0.1", &[]),
            "invalid gateway 10.2.0.1: parent subnet 10.1.0.0/16 doesn't contain this address",
        ),
        (
            config("10.1.0.0/16", "", "fd00::1", &[]),
            "invalid gateway fd00::1: parent subnet is an IPv4 block",
        ),
        (
            config("10.1.0.0/16", "", "", &[("a", "x")]),
            "invalid auxiliary address a: invalid address",
        ),
    ] {
        assert_eq!(refused(config), format!("invalid network config:\n{words}"));
    }
    let several = refused(config("10.1.0.0/16", "x", "y", &[]));
    assert_eq!(
        several,
        "invalid network config:\n* invalid ip-range x: invalid CIDR block notation\n* invalid gateway y: invalid address"
    );
}
