use super::*;
use proptest::prelude::*;

/// Returns `host -> container` for each port, as far as they are given.
fn port_texts(text: &str) -> Vec<String> {
    let ports = published("publish", text, &[]).unwrap();
    let show = |port: &ContainerPort| {
        let publish = port.publish.as_ref().unwrap();
        let address = publish.address.map(|address| format!("{address} "));
        let host = publish
            .port
            .map_or("any".to_owned(), |port| port.to_string());
        format!("{}{host} -> {}", address.unwrap_or_default(), port.number)
    };
    ports.iter().map(show).collect()
}

fn refused(text: &str) -> String {
    format!("{:?}", published("publish", text, &[]).unwrap_err())
}

#[test]
fn ports_are_written_as_docker_writes_them() {
    for (text, expected) in [
        ("80", vec!["any -> 80/tcp"]),
        ("80/udp", vec!["any -> 80/udp"]),
        ("8080:80", vec!["8080 -> 80/tcp"]),
        ("8080:80/SCTP", vec!["8080 -> 80/sctp"]),
        ("192.0.2.7:8080:80", vec!["192.0.2.7 8080 -> 80/tcp"]),
        ("192.0.2.7::80", vec!["192.0.2.7 any -> 80/tcp"]),
        ("[2001:db8::7]:8080:80", vec!["2001:db8::7 8080 -> 80/tcp"]),
        ("[::]:8080:80", vec![":: 8080 -> 80/tcp"]),
        (":80", vec!["any -> 80/tcp"]),
        ("8000-8001:80-81", vec!["8000 -> 80/tcp", "8001 -> 81/tcp"]),
        ("80-81", vec!["any -> 80/tcp", "any -> 81/tcp"]),
        ("65535:65535", vec!["65535 -> 65535/tcp"]),
    ] {
        assert_eq!(port_texts(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_port_is_named_with_a_remedy() {
    for (text, remedy) in [
        ("", "write [address:]"),
        ("web", "`web` is no port: use 1 to 65535"),
        ("0", "`0` is no port"),
        ("65536:80", "`65536` is no port"),
        ("+80", "`+80` is no port"),
        ("80/icmp", "must be tcp, udp or sctp"),
        ("80/", "must be tcp, udp or sctp"),
        (
            "8000-8010:80-81",
            "11 ports of the VCH can't lead to 2 of the container",
        ),
        ("81-80", "ends before it begins"),
        ("1-65535", "a range has at most 1024 ports"),
        ("host:8080:80", "write [address:]"),
        ("2001:db8::7:8080:80", "write [address:]"),
        ("[2001:db8::7]:80", "write [address:]"),
        ("[192.0.2.7]:8080:80", "write [address:]"),
        ("8080:", "write [address:]"),
    ] {
        let said = refused(text);
        assert!(said.contains(remedy), "{text}: {said}");
        assert!(said.contains("`publish`"), "{text}: {said}");
    }
}

#[test]
fn exposed_ports_have_no_host_side() {
    let ports = exposed("expose", "80-81/udp").unwrap();
    let numbers: Vec<String> = ports.iter().map(|port| port.number.to_string()).collect();
    assert_eq!(numbers, ["80/udp", "81/udp"]);
    assert!(ports.iter().all(|port| port.publish.is_none()));
    assert!(exposed("expose", "8080:80").is_err());
}

#[test]
fn every_port_of_a_range_has_the_same_clients() {
    let clients: Vec<IpNet> = vec!["192.0.2.0/24".parse().unwrap()];
    let ports = published("publish", "80-82:80-82", &clients).unwrap();
    assert!(
        ports
            .iter()
            .all(|port| port.publish.as_ref().unwrap().clients == clients)
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = published("publish", &text, &[]);
        let _ = exposed("expose", &text);
    }

    #[test]
    fn what_looks_like_a_port_is_one_or_is_refused(text in "[0-9:\\[\\]/tcpu.-]{0,24}") {
        if let Ok(ports) = published("publish", &text, &[]) {
            prop_assert!(!ports.is_empty() && ports.len() <= MAX_RANGE);
            prop_assert!(ports.iter().all(|port| port.number.port > 0));
        }
    }
}
