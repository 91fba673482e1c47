use super::*;
use crate::message::{Capability, Hello, LogLevel, LogLine};
use crate::sample::{id, interface_parts, spec, to_agent, to_coordinator};
use proptest::collection::vec;
use proptest::prelude::*;

fn hello() -> Hello {
    Hello {
        oldest: 1,
        newest: 1,
        nonce: SessionNonce(7),
        agent: "test".to_owned(),
        capabilities: Vec::new(),
        held: None,
    }
}

#[track_caller]
fn assert_too_long(message: &ToCoordinator, expected: &str) {
    let bytes = message.encode().unwrap();
    match ToCoordinator::decode(&bytes) {
        Err(DecodeError::TooMany { field, .. }) => assert_eq!(field, expected),
        other => panic!("expected {expected} to be too long, got {other:?}"),
    }
}

#[test]
fn bytes_behind_a_message_are_an_error() {
    let mut bytes = ToAgent::Probe.encode().unwrap();
    bytes.extend([1, 2, 3]);
    match ToAgent::decode(&bytes) {
        Err(DecodeError::Trailing { bytes: 3 }) => {}
        other => panic!("expected trailing bytes, got {other:?}"),
    }
}

#[test]
fn an_unknown_variant_and_an_early_end_are_errors() {
    for bytes in [&[9][..], &[], &[1], &[3, 1, 1]] {
        let error = ToAgent::decode(bytes).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed(_)), "{error}");
    }
}

#[test]
fn a_spec_that_breaks_its_invariants_is_an_error() {
    let bytes = ToAgent::Spec(spec(1, 1)).encode().unwrap();
    let unicast = [2, 0, 0, 0, 0, 0];
    let at = bytes.windows(6).position(|w| w == unicast).unwrap();
    let mut broken = bytes.clone();
    broken[at] = 3;
    assert!(ToAgent::decode(&bytes).is_ok());
    assert!(ToAgent::decode(&broken).is_err(), "a group address");
}

#[test]
fn a_hello_with_capabilities_of_a_later_version_is_readable() {
    let mut later = hello();
    later.capabilities = vec![Capability::Firewall, Capability::from(77)];
    let bytes = ToCoordinator::Hello(later.clone()).encode().unwrap();
    assert_eq!(
        ToCoordinator::decode(&bytes).unwrap(),
        ToCoordinator::Hello(later)
    );
}

#[test]
fn lists_and_texts_beyond_their_bounds_are_errors_that_name_them() {
    let with = |change: fn(&mut Hello)| {
        let mut hello = hello();
        change(&mut hello);
        ToCoordinator::Hello(hello)
    };
    assert_too_long(&with(|h| h.agent = "x".repeat(65)), "agent");
    assert_too_long(
        &with(|h| h.capabilities = vec![Capability::Dhcp; 33]),
        "capabilities",
    );
    let line = LogLine {
        level: LogLevel::Info,
        text: "x".repeat(513),
    };
    assert_too_long(&ToCoordinator::Log(line), "text");
}

#[test]
fn a_report_beyond_its_bounds_is_an_error_that_names_the_list() {
    let failure = Failure {
        action: "x".repeat(MAX_ACTION + 1),
        errno: 1,
    };
    let interface = InterfaceReport {
        name: "eth0".parse().unwrap(),
        mac: interface_parts(0).mac,
        state: InterfaceState::Up,
        mtu: 1500,
        addresses: Vec::new(),
        routes: Vec::new(),
    };
    let report = Report {
        sequence: 1,
        spec: id(1, 1),
        interfaces: vec![interface],
        failures: Vec::new(),
    };
    let with = |change: &dyn Fn(&mut Report)| {
        let mut report = report.clone();
        change(&mut report);
        ToCoordinator::Report(report)
    };
    let address: ipnet::IpNet = "10.0.0.2/16".parse().unwrap();
    let route = interface_parts(0).routes[0].clone();
    let short = Failure {
        action: String::new(),
        errno: 1,
    };
    assert_too_long(
        &with(&|r| r.interfaces = vec![r.interfaces[0].clone(); MAX_INTERFACES + 1]),
        "interfaces",
    );
    assert_too_long(
        &with(&|r| r.failures = vec![short.clone(); MAX_FAILURES + 1]),
        "failures",
    );
    assert_too_long(&with(&|r| r.failures = vec![failure.clone()]), "action");
    assert_too_long(
        &with(&|r| r.interfaces[0].state = InterfaceState::Failed(failure.clone())),
        "action",
    );
    assert_too_long(
        &with(&|r| r.interfaces[0].addresses = vec![address; MAX_ADDRESSES + 1]),
        "addresses",
    );
    assert_too_long(
        &with(&|r| r.interfaces[0].routes = vec![route.clone(); MAX_ROUTES + 1]),
        "routes",
    );
}

#[test]
fn a_hostile_length_does_not_allocate() {
    // A hello whose capabilities are said to be 2^32 - 1.
    let mut bytes = vec![0, 1, 1, 7, 0];
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(ToCoordinator::decode(&bytes).is_err());
}

#[test]
fn a_message_larger_than_a_frame_is_refused() {
    let line = LogLine {
        level: LogLevel::Info,
        text: "x".repeat(MAX_PAYLOAD),
    };
    match ToCoordinator::Log(line).encode() {
        Err(EncodeError::TooLong { bytes }) => assert!(bytes > MAX_PAYLOAD),
        other => panic!("expected an error, got {other:?}"),
    }
}

proptest! {
    #[test]
    fn a_message_to_the_agent_is_decoded_as_it_was(message in to_agent()) {
        let bytes = message.encode().unwrap();
        prop_assert_eq!(ToAgent::decode(&bytes).unwrap(), message);
    }

    #[test]
    fn a_message_to_the_coordinator_is_decoded_as_it_was(message in to_coordinator()) {
        let bytes = message.encode().unwrap();
        prop_assert_eq!(ToCoordinator::decode(&bytes).unwrap(), message);
    }

    #[test]
    fn no_bytes_panic_and_what_is_decoded_can_be_encoded(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(message) = ToAgent::decode(&bytes) {
            prop_assert_eq!(ToAgent::decode(&message.encode().unwrap()).unwrap(), message);
        }
        if let Ok(message) = ToCoordinator::decode(&bytes) {
            prop_assert_eq!(ToCoordinator::decode(&message.encode().unwrap()).unwrap(), message);
        }
    }

    #[test]
    fn a_changed_byte_of_a_message_never_panics(message in to_agent(), at: usize, by: u8) {
        let mut bytes = message.encode().unwrap();
        let at = at % bytes.len();
        bytes[at] ^= by;
        let _either = ToAgent::decode(&bytes);
    }
}
