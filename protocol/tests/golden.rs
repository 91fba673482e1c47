//! The frozen bytes of version 1: every message, in hexadecimal, as released.
//!
//! A line of `golden/v1.hex` never changes. A new message of a later version gets a file of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test: the values are made to be valid"
)]

use ipnet::IpNet;
use protocol::frame;
use protocol::message::{
    Capability, Failure, Hello, InterfaceReport, InterfaceState, LinkChange, LinkEvent, LogLevel,
    LogLine, Message, Ping, Pong, Refusal, Report, SessionNonce, ToAgent, ToCoordinator, Welcome,
};
use protocol::spec::{
    Addressing, Extension, FirewallLevel, Generation, HostEntry, Incarnation, Interface,
    InterfaceParts, MacAddress, Mtu, NetSpec, NetSpecParts, NicMatch, Resolver, Route, SpecId,
};
use std::collections::BTreeMap;
use std::fmt::Debug;

const GOLDEN: &str = include_str!("golden/v1.hex");
const NONCE: SessionNonce = SessionNonce(0x1122_3344_5566_7788);

fn id() -> SpecId {
    SpecId {
        incarnation: Incarnation([0xaa; 16]),
        generation: Generation(300),
    }
}

fn mac(last: u8) -> MacAddress {
    MacAddress::try_from([2, 0x42, 0xac, 0x11, 0, last]).unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn default_route() -> Route {
    Route {
        destination: net("0.0.0.0/0"),
        gateway: Some("10.0.0.1".parse().unwrap()),
        metric: 100,
        on_link: false,
        source: Some("10.0.0.2".parse().unwrap()),
    }
}

fn interface(number: u8, nic: NicMatch, firewall: FirewallLevel) -> Interface {
    InterfaceParts {
        nic,
        mac: mac(number),
        name: format!("eth{number}").parse().unwrap(),
        mtu: None,
        addressing: Addressing::Dhcp,
        addresses: Vec::new(),
        routes: Vec::new(),
        firewall,
    }
    .try_into()
    .unwrap()
}

fn spec() -> NetSpec {
    let full = InterfaceParts {
        nic: NicMatch::Mac(mac(0)),
        mac: mac(0),
        name: "eth0".parse().unwrap(),
        mtu: Some(Mtu::try_from(1450).unwrap()),
        addressing: Addressing::Static,
        addresses: vec![net("10.0.0.2/16"), net("fd00::2/64")],
        routes: vec![
            default_route(),
            Route {
                destination: net("fd01::/64"),
                gateway: None,
                metric: 0,
                on_link: true,
                source: None,
            },
        ],
        firewall: FirewallLevel::Open,
    };
    let path = NicMatch::PciPath("02.0/00.0".parse().unwrap());
    NetSpecParts {
        id: id(),
        hostname: Some("web".parse().unwrap()),
        interfaces: vec![
            full.try_into().unwrap(),
            interface(1, path, FirewallLevel::Closed),
            interface(2, NicMatch::PciSlot(7), FirewallLevel::Outbound),
            interface(3, NicMatch::Mac(mac(9)), FirewallLevel::Peers),
            interface(4, NicMatch::PciSlot(8), FirewallLevel::Published),
        ],
        resolver: Some(
            Resolver::new(
                vec!["10.0.0.1".parse().unwrap()],
                vec!["example.test".parse().unwrap()],
                vec!["ndots:1".to_owned()],
            )
            .unwrap(),
        ),
        hosts: vec![HostEntry {
            address: "10.0.0.2".parse().unwrap(),
            name: "web".parse().unwrap(),
        }],
        extension: vec![1, 2, 3],
    }
    .try_into()
    .unwrap()
}

fn to_agent() -> Vec<(&'static str, ToAgent)> {
    let bare = NetSpecParts {
        id: id(),
        hostname: None,
        interfaces: Vec::new(),
        resolver: None,
        hosts: Vec::new(),
        extension: Vec::new(),
    };
    vec![
        ("probe", ToAgent::Probe),
        (
            "welcome",
            ToAgent::Welcome(Welcome {
                version: 1,
                heartbeat_ms: 1000,
            }),
        ),
        (
            "refuse-version",
            ToAgent::Refuse(Refusal::Version {
                oldest: 1,
                newest: 2,
            }),
        ),
        ("refuse-occupied", ToAgent::Refuse(Refusal::Occupied)),
        ("refuse-not-started", ToAgent::Refuse(Refusal::NotStarted)),
        ("spec", ToAgent::Spec(spec())),
        ("spec-bare", ToAgent::Spec(bare.try_into().unwrap())),
        (
            "ping",
            ToAgent::Ping(Ping {
                sequence: 5,
                desired: Some(id()),
                report_seen: 2,
            }),
        ),
        (
            "ping-bare",
            ToAgent::Ping(Ping {
                sequence: 1,
                desired: None,
                report_seen: 0,
            }),
        ),
    ]
}

fn report() -> Report {
    let state = |number: u8, state| InterfaceReport {
        name: format!("eth{number}").parse().unwrap(),
        mac: mac(number),
        state,
        mtu: 0,
        addresses: Vec::new(),
        routes: Vec::new(),
    };
    let failure = || Failure {
        action: "set MTU of eth2".to_owned(),
        errno: 22,
    };
    Report {
        sequence: 3,
        spec: id(),
        interfaces: vec![
            InterfaceReport {
                name: "eth0".parse().unwrap(),
                mac: mac(0),
                state: InterfaceState::Up,
                mtu: 1450,
                addresses: vec![net("10.0.0.2/16"), net("fd00::2/64")],
                routes: vec![default_route()],
            },
            state(1, InterfaceState::Waiting),
            state(2, InterfaceState::Failed(failure())),
            state(3, InterfaceState::Unsupported(Capability::Dhcp)),
            state(4, InterfaceState::Unsupported(Capability::Firewall)),
        ],
        failures: vec![failure()],
    }
}

fn to_coordinator() -> Vec<(&'static str, ToCoordinator)> {
    let hello = |capabilities: Vec<Capability>, held| {
        ToCoordinator::Hello(Hello {
            oldest: 1,
            newest: 1,
            nonce: NONCE,
            agent: "tether-net 0.1.0".to_owned(),
            capabilities,
            held,
        })
    };
    let link = |change| {
        ToCoordinator::Link(LinkEvent {
            name: "eth0".parse().unwrap(),
            change,
        })
    };
    let log = |level| {
        ToCoordinator::Log(LogLine {
            level,
            text: "eth0 is up".to_owned(),
        })
    };
    let all = vec![
        Capability::Dhcp,
        Capability::Firewall,
        Capability::Unknown(2),
    ];
    vec![
        ("hello", hello(all, Some(id()))),
        ("hello-bare", hello(Vec::new(), None)),
        ("report", ToCoordinator::Report(report())),
        ("link-appeared", link(LinkChange::Appeared)),
        ("link-up", link(LinkChange::Up)),
        ("link-down", link(LinkChange::Down)),
        ("link-gone", link(LinkChange::Gone)),
        (
            "pong",
            ToCoordinator::Pong(Pong {
                sequence: 5,
                received: Some(id()),
                report_sent: 2,
            }),
        ),
        (
            "pong-bare",
            ToCoordinator::Pong(Pong {
                sequence: 1,
                received: None,
                report_sent: 0,
            }),
        ),
        ("log-error", log(LogLevel::Error)),
        ("log-warn", log(LogLevel::Warn)),
        ("log-info", log(LogLevel::Info)),
        ("log-debug", log(LogLevel::Debug)),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

fn golden() -> BTreeMap<&'static str, &'static str> {
    let lines = GOLDEN.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| line.split_once(' ').expect("a name and bytes"))
        .collect()
}

fn assert_frozen<M: Message + PartialEq + Debug>(messages: &[(&str, M)], direction: &str) {
    let golden = golden();
    for (name, message) in messages {
        let name = format!("{direction}.{name}");
        let now = hex(&message.encode().unwrap());
        let frozen = golden.get(name.as_str()).copied().unwrap_or_default();
        assert_eq!(
            frozen, now,
            "the frozen line, and what would be written now:\n{name} {now}"
        );
        assert_eq!(&M::decode(&unhex(frozen)).unwrap(), message, "{name}");
    }
}

#[test]
fn messages_to_the_agent_have_their_frozen_bytes() {
    assert_frozen(&to_agent(), "to-agent");
}

#[test]
fn messages_to_the_coordinator_have_their_frozen_bytes() {
    assert_frozen(&to_coordinator(), "to-coordinator");
}

#[test]
fn a_frame_has_its_frozen_bytes() {
    let mut line = Vec::new();
    frame::encode(NONCE, &ToAgent::Probe.encode().unwrap(), &mut line).unwrap();
    let now = hex(&line);
    let frozen = golden().get("frame.probe").copied().unwrap_or_default();
    assert_eq!(frozen, now, "frame.probe {now}");
}

#[test]
fn every_frozen_line_is_of_a_message_that_is_tested() {
    let agent = to_agent()
        .into_iter()
        .map(|(name, _)| format!("to-agent.{name}"));
    let coordinator = to_coordinator().into_iter();
    let coordinator = coordinator.map(|(name, _)| format!("to-coordinator.{name}"));
    let tested: Vec<_> = agent
        .chain(coordinator)
        .chain(["frame.probe".to_owned()])
        .collect();
    for name in golden().keys() {
        assert!(tested.iter().any(|tested| tested == name), "{name}");
    }
    assert_eq!(golden().len(), tested.len());
}

#[test]
fn an_extension_has_the_bytes_that_released_agents_read() {
    let extension = Extension {
        domain: Some("d.example".parse().unwrap()),
        sysctls: [("net/ipv6/conf/eth0/accept_ra".to_owned(), "2".to_owned())].into(),
    };
    let field = extension.field().unwrap();
    let golden = [
        &[1, 9][..],
        b"d.example",
        &[1, 28],
        b"net/ipv6/conf/eth0/accept_ra",
        &[1],
        b"2",
    ];
    assert_eq!(field, golden.concat());
    let later = [&field[..], &[7, 7, 7]].concat();
    assert_eq!(
        Extension::read(&later),
        extension,
        "what comes later is not read"
    );
    let older = golden[..2].concat();
    let without = Extension {
        sysctls: Default::default(),
        ..extension
    };
    assert_eq!(
        Extension::read(&older),
        without,
        "a shorter field of an older coordinator keeps what it has"
    );
    assert_eq!(Extension::default().field(), Some(Vec::new()));
    for unreadable in [&[][..], &[1], &[1, 200, 1], &[2, 3]] {
        assert_eq!(Extension::read(unreadable), Extension::default());
    }
}

#[test]
fn an_extension_that_no_spec_has_room_for_is_none() {
    let value = "x".repeat(5_000);
    let extension = Extension {
        domain: None,
        sysctls: [("net/ipv4/conf/eth0/tag".to_owned(), value)].into(),
    };
    assert_eq!(extension.field(), None);
}
