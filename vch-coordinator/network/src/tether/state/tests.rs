use super::*;
use protocol::{
    message::{Capability, InterfaceReport},
    spec::{Generation, Incarnation},
};

fn id(life: u8, generation: u64) -> SpecId {
    SpecId {
        incarnation: Incarnation([life; 16]),
        generation: Generation(generation),
    }
}

fn interface(name: &str, state: InterfaceState) -> InterfaceReport {
    InterfaceReport {
        name: name.parse().unwrap(),
        mac: "02:00:00:00:00:02".parse().unwrap(),
        state,
        mtu: 1500,
        addresses: Vec::new(),
        routes: Vec::new(),
    }
}

fn failure(action: &str, errno: i32) -> Failure {
    Failure {
        action: action.to_owned(),
        errno,
    }
}

fn reported(spec: SpecId, interfaces: Vec<InterfaceReport>) -> SessionState {
    SessionState {
        report: Some(Report {
            sequence: 1,
            spec,
            interfaces,
            failures: Vec::new(),
        }),
        ..SessionState::default()
    }
}

#[test]
fn without_a_report_nothing_is_ready() {
    let state = SessionState::default();
    assert_eq!(state.readiness(id(1, 1)), Readiness::Pending);
    let eth0 = "eth0".parse().unwrap();
    assert_eq!(state.endpoint(id(1, 1), &eth0), EndpointState::Pending);
}

#[test]
fn a_report_counts_for_its_spec_and_earlier_ones_of_the_same_life() {
    let state = reported(id(1, 5), vec![interface("eth0", InterfaceState::Up)]);
    for (spec, counts) in [
        (id(1, 5), true),
        (id(1, 4), true),
        (id(1, 6), false),
        (id(2, 5), false),
        (id(2, 1), false),
    ] {
        assert_eq!(state.reported(spec).is_some(), counts, "{spec:?}");
        let ready = state.readiness(spec) == Readiness::Ready;
        assert_eq!(ready, counts, "{spec:?}");
    }
}

#[test]
fn every_interface_must_be_up() {
    let up = interface("eth0", InterfaceState::Up);
    let waiting = interface("eth1", InterfaceState::Waiting);
    let state = reported(id(1, 1), vec![up, waiting]);
    assert_eq!(state.readiness(id(1, 1)), Readiness::Pending);
    for (name, expected) in [
        ("eth0", EndpointState::Up),
        ("eth1", EndpointState::Waiting),
        ("eth2", EndpointState::Pending),
    ] {
        let name = name.parse().unwrap();
        assert_eq!(state.endpoint(id(1, 1), &name), expected);
    }
}

#[test]
fn failures_are_told_in_words_with_the_kernels_reason() {
    let refused = InterfaceState::Failed(failure("add 10.0.0.2/24 to eth0", 13));
    let unable = InterfaceState::Unsupported(Capability::Firewall);
    let mut state = reported(
        id(1, 1),
        vec![interface("eth0", refused), interface("eth1", unable)],
    );
    if let Some(report) = &mut state.report {
        report
            .failures
            .push(failure("the hosts file is a folder", 0));
    }
    let Readiness::Failed(message_of) = state.readiness(id(1, 1)) else {
        panic!("it failed");
    };
    assert_eq!(message_of.len(), 3, "{message_of:?}");
    assert_eq!(
        message_of[0],
        "add 10.0.0.2/24 to eth0: Permission denied (errno 13)"
    );
    assert!(message_of[1].starts_with("eth1: this agent has no capability"));
    assert_eq!(message_of[2], "the hosts file is a folder");
    for (name, expected) in [
        ("eth0", EndpointState::Failed),
        ("eth1", EndpointState::Unsupported),
    ] {
        let name = name.parse().unwrap();
        assert_eq!(state.endpoint(id(1, 1), &name), expected);
    }
}

#[test]
fn an_errno_that_no_kernel_knows_is_shown_all_the_same() {
    for errno in [-1, 99_999, i32::MIN, i32::MAX] {
        let told = message_of(&failure("act", errno));
        assert!(told.contains(&format!("(errno {errno})")), "{told}");
    }
}

#[test]
fn an_agent_ahead_of_the_store_is_a_failure_with_a_remedy() {
    let mut state = reported(id(1, 3), Vec::new());
    state.held = Some(id(1, 4));
    assert!(!state.is_ahead(id(1, 4)) && !state.is_ahead(id(1, 5)));
    assert!(!state.is_ahead(id(2, 3)), "a new life");
    let ahead = Readiness::Failed(vec![AHEAD.to_owned()]);
    assert_eq!(state.readiness(id(1, 3)), ahead);
}
