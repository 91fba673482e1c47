//! Where metrics are read.

use super::{DOCKER_ENDPOINT, parse, refusal};
use crate::config::MetricsEndpoint;
use std::path::Path;
use vch_ledger::{PortNumber, Protocol};

fn listen(at: &str) -> String {
    format!("[metrics]\nlisten = \"{at}\"\n")
}

#[test]
fn metrics_are_read_nowhere_unless_the_file_says_where() {
    assert_eq!(parse("").expect("valid").metrics, None);
    assert_eq!(parse("[metrics]\n").expect("valid").metrics, None);
}

#[test]
fn metrics_are_read_at_loopback_on_the_management_network_or_at_a_unix_socket() {
    for (at, link) in [
        ("127.0.0.1:9323", None),
        ("[::1]:9323", None),
        ("192.0.2.2:9323", Some("eth0")),
    ] {
        let config = parse(&listen(at)).expect("valid");
        let Some(MetricsEndpoint::Tcp { address, interface }) = config.metrics else {
            panic!("{at}: {:?}", config.metrics);
        };
        assert_eq!(address.to_string(), at);
        assert_eq!(interface.as_ref().map(|name| name.as_str()), link);
    }
    let config = parse(&listen("/run/vch/metrics.sock")).expect("valid");
    let expected = MetricsEndpoint::Unix(Path::new("/run/vch/metrics.sock").to_owned());
    assert_eq!(config.metrics, Some(expected));
}

#[test]
fn each_other_value_is_refused_with_what_to_write() {
    for (at, remedy) in [
        ("9323", "write an address with a port, as in 127.0.0.1:9323"),
        ("127.0.0.1", "write an address with a port"),
        ("localhost:9323", "write an address with a port"),
        ("metrics.sock", "or the absolute path of a Unix socket"),
        ("", "write an address with a port"),
        ("127.0.0.1:0", "write a port from 1 to 65535"),
        ("0.0.0.0:9323", "write a loopback address, or 192.0.2.2"),
        ("[::]:9323", "write a loopback address, or 192.0.2.2"),
        ("10.2.0.2:9323", "the management network's"),
        ("198.51.100.2:9323", "the management network's"),
        (
            "198.51.100.2:2376",
            "the docker endpoint listens there: write another port",
        ),
        (
            "/run/vch/api.sock",
            "an API listens there: write another path",
        ),
    ] {
        let refused = refusal(&listen(at));
        let begin = format!("vch.toml:2: `metrics.listen` cannot be `{at}`: ");
        assert!(refused.starts_with(&begin), "{refused}");
        assert!(refused.contains(remedy), "{refused}");
    }
    let docker = format!("{DOCKER_ENDPOINT}socket = \"/run/docker.sock\"\n");
    let refused = refusal(&format!("{docker}{}", listen("/run/docker.sock")));
    assert!(refused.contains("an API listens there"), "{refused}");
    let long = listen(&format!("/{}", "x".repeat(200)));
    assert!(refusal(&long).contains("`metrics.listen` cannot be"));
    assert!(refusal("[metrics]\nlisten = 9323\n").contains("expected a string"));
    assert!(refusal("[metrics]\nport = 9323\n").contains("unknown field `port`"));
}

#[test]
fn no_container_publishes_the_port_of_metrics() {
    let port = |port| PortNumber {
        protocol: Protocol::Tcp,
        port,
    };
    let reserved = parse(&listen("127.0.0.1:9323")).expect("valid").reserved();
    assert!(reserved[&port(9323)].contains("metrics.listen"));
    assert!(reserved[&port(2376)].contains("docker_endpoint.port"));
    let same = parse(&listen("127.0.0.1:2376")).expect("valid").reserved();
    assert_eq!(same.len(), 1);
    let socket = parse(&listen("/run/vch/metrics.sock")).expect("valid");
    assert_eq!(socket.reserved().len(), 1);
}
