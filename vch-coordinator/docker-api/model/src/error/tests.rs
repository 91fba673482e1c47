use crate::error::*;
use vch_ledger::{HostPort, Protocol};

fn check(cases: Vec<(Refusal, u16, &str)>) {
    for (refusal, status, message) in cases {
        let error = DockerError::from(refusal);
        let seen = (error.status.as_u16(), error.message.as_str());
        assert_eq!(seen, (status, message));
    }
}

#[test]
fn a_refusal_about_a_network_has_dockerds_status_and_words() {
    let web = || "web".parse().unwrap();
    check(vec![
        (
            Refusal::NetworkNotFound("web".into()),
            404,
            "network web not found",
        ),
        (
            Refusal::NetworkExists(web()),
            409,
            "network with name web already exists",
        ),
        (
            Refusal::PredefinedName(web()),
            403,
            "operation is not permitted on predefined web network ",
        ),
        (
            Refusal::PredefinedNetwork(web()),
            403,
            "web is a pre-defined network and cannot be removed",
        ),
        (
            Refusal::NetworkInUse {
                network: web(),
                endpoints: "c1, c2".into(),
            },
            403,
            "error while removing network: network web has active endpoints (c1, c2)",
        ),
        (
            Refusal::PoolsExhausted { family: "IPv4" },
            400,
            "all predefined address pools have been fully subnetted",
        ),
        (
            Refusal::SubnetHostBits("10.10.10.0/8".parse().unwrap()),
            400,
            "invalid network config:\ninvalid subnet 10.10.10.0/8: it should be 10.0.0.0/8",
        ),
    ]);
}

#[test]
fn a_refusal_about_a_container_has_dockerds_status_and_words() {
    let address = "10.1.2.3".parse().unwrap();
    let c1 = || "c1".parse().unwrap();
    let host = |address: Option<&str>| HostPort {
        address: address.map(|address| address.parse().unwrap()),
        port: 8080,
        protocol: Protocol::Tcp,
    };
    let taken = |at| PortRefusal::Taken {
        host: host(at),
        taken: host(None),
        holder: c1(),
    };
    check(vec![
        (
            Refusal::AddressInUse {
                address,
                holder: c1(),
            },
            403,
            "Address already in use",
        ),
        (
            Refusal::AddressOnDefaultBridge(address),
            400,
            "user-specified IP address is supported on user-defined networks only",
        ),
        (
            Refusal::AlreadyConnected {
                container: c1(),
                network: "web".parse().unwrap(),
            },
            409,
            "c1 is already attached to network web",
        ),
        (
            Refusal::ContainerNotFound("c1".into()),
            404,
            "No such container: c1",
        ),
        (
            taken(None).into(),
            500,
            "driver failed programming external connectivity: Bind for 0.0.0.0:8080 failed: port is already allocated",
        ),
        (
            taken(Some("::1")).into(),
            500,
            "driver failed programming external connectivity: Bind for [::1]:8080 failed: port is already allocated",
        ),
    ]);
}

#[test]
fn a_message_does_not_move_the_terminal_that_shows_it() {
    let written = "no \u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\r\u{202e}file:\n\tör";
    let shown = printable(written);
    assert_eq!(
        shown,
        "no \\u{1b}]0;title\\u{7}\\u{1b}[2J\\u{9b}31m\\r\\u{202e}file:\n\tör"
    );
}
