//! Values for tests: a few fixed ones, and strategies for any.

use crate::message::{
    Capability, Failure, Hello, InterfaceReport, InterfaceState, LinkChange, LinkEvent, LogLevel,
    LogLine, Ping, Pong, Refusal, Report, SessionNonce, ToAgent, ToCoordinator, Welcome,
};
use crate::spec::{
    Addressing, FirewallLevel, Generation, HostEntry, Hostname, Incarnation, Interface,
    InterfaceParts, MacAddress, Mtu, NetSpec, NetSpecParts, NicMatch, PciPath, Resolver, Route,
    SpecId,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::IpAddr;

pub(crate) fn id(incarnation: u8, generation: u64) -> SpecId {
    SpecId {
        incarnation: Incarnation([incarnation; 16]),
        generation: Generation(generation),
    }
}

pub(crate) fn mac(last: u8) -> MacAddress {
    MacAddress::try_from([2, 0, 0, 0, 0, last]).unwrap()
}

pub(crate) fn interface_parts(number: u8) -> InterfaceParts {
    InterfaceParts {
        nic: NicMatch::Mac(mac(number)),
        mac: mac(number),
        name: format!("eth{number}").parse().unwrap(),
        mtu: Some(Mtu::try_from(1500).unwrap()),
        addressing: Addressing::Static,
        addresses: vec![format!("10.{number}.0.2/16").parse().unwrap()],
        routes: vec![Route {
            destination: "0.0.0.0/0".parse().unwrap(),
            gateway: Some(format!("10.{number}.0.1").parse().unwrap()),
            metric: 100,
            on_link: false,
            source: None,
        }],
        firewall: FirewallLevel::Open,
    }
}

pub(crate) fn spec_parts(id: SpecId) -> NetSpecParts {
    NetSpecParts {
        id,
        hostname: Some("web".parse().unwrap()),
        interfaces: vec![interface_parts(0).try_into().unwrap()],
        resolver: None,
        hosts: Vec::new(),
        extension: Vec::new(),
    }
}

pub(crate) fn spec(incarnation: u8, generation: u64) -> NetSpec {
    spec_parts(id(incarnation, generation)).try_into().unwrap()
}

fn ids() -> impl Strategy<Value = SpecId> {
    (any::<[u8; 16]>(), any::<u64>()).prop_map(|(incarnation, generation)| SpecId {
        incarnation: Incarnation(incarnation),
        generation: Generation(generation),
    })
}

fn names() -> impl Strategy<Value = Hostname> {
    "[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?(\\.[a-z]{1,8}){0,2}"
        .prop_map(|text| text.parse().expect("made to be a name"))
}

fn nics(number: u8) -> impl Strategy<Value = NicMatch> {
    prop_oneof![
        Just(NicMatch::Mac(mac(number))),
        vec((0u8..32, 0u8..8), 0..4).prop_map(move |mut steps| {
            // The number in front keeps the matches of one spec apart.
            steps.insert(0, (number, 0));
            NicMatch::PciPath(PciPath::try_from(steps).expect("made to be a path"))
        }),
        Just(NicMatch::PciSlot(u32::from(number))),
    ]
}

fn levels() -> impl Strategy<Value = FirewallLevel> {
    prop_oneof![
        Just(FirewallLevel::Open),
        Just(FirewallLevel::Closed),
        Just(FirewallLevel::Outbound),
        Just(FirewallLevel::Peers),
        Just(FirewallLevel::Published),
    ]
}

fn interfaces(number: u8) -> impl Strategy<Value = Interface> {
    let v6 = format!("fd00:{number}::2/64");
    (
        nics(number),
        option::of(68u32..=65_535),
        any::<bool>(),
        any::<bool>(),
        any::<u32>(),
        levels(),
    )
        .prop_map(move |(nic, mtu, dhcp, dual, metric, firewall)| {
            let mut parts = interface_parts(number);
            parts.nic = nic;
            parts.mtu = mtu.map(|bytes| Mtu::try_from(bytes).expect("in range"));
            parts.firewall = firewall;
            parts.routes[0].metric = metric;
            if dhcp {
                parts.addressing = Addressing::Dhcp;
            }
            if dual {
                parts.addresses.push(v6.parse().expect("an address"));
            }
            parts.try_into().expect("made to be valid")
        })
}

pub(crate) fn specs() -> impl Strategy<Value = NetSpec> {
    let several = (0u8..5).prop_flat_map(|count| (0..count).map(interfaces).collect::<Vec<_>>());
    let resolvers = (vec(any::<IpAddr>(), 0..=3), vec("ndots:[0-9]", 0..4))
        .prop_map(|(servers, options)| Resolver::new(servers, Vec::new(), options).expect("short"));
    let hosts = (any::<IpAddr>(), names()).prop_map(|(address, name)| HostEntry { address, name });
    (
        ids(),
        option::of(names()),
        several,
        option::of(resolvers),
        vec(hosts, 0..5),
        vec(any::<u8>(), 0..64),
    )
        .prop_map(|(id, hostname, interfaces, resolver, hosts, extension)| {
            NetSpec::try_from(NetSpecParts {
                id,
                hostname,
                interfaces,
                resolver,
                hosts,
                extension,
            })
            .expect("made to be valid")
        })
}

fn refusals() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        (any::<u16>(), any::<u16>())
            .prop_map(|(oldest, newest)| Refusal::Version { oldest, newest }),
        Just(Refusal::Occupied),
        Just(Refusal::NotStarted),
    ]
}

pub(crate) fn to_agent() -> impl Strategy<Value = ToAgent> {
    let pings = (any::<u64>(), option::of(ids()), any::<u64>()).prop_map(
        |(sequence, desired, report_seen)| {
            ToAgent::Ping(Ping {
                sequence,
                desired,
                report_seen,
            })
        },
    );
    prop_oneof![
        Just(ToAgent::Probe),
        (any::<u16>(), any::<u32>()).prop_map(|(version, heartbeat_ms)| {
            ToAgent::Welcome(Welcome {
                version,
                heartbeat_ms,
            })
        }),
        refusals().prop_map(ToAgent::Refuse),
        specs().prop_map(ToAgent::Spec),
        pings,
    ]
}

fn failures() -> impl Strategy<Value = Failure> {
    ("\\PC{0,60}", any::<i32>()).prop_map(|(action, errno)| Failure { action, errno })
}

fn capabilities() -> impl Strategy<Value = Capability> {
    any::<u32>().prop_map(Capability::from)
}

fn states() -> impl Strategy<Value = InterfaceState> {
    prop_oneof![
        Just(InterfaceState::Up),
        Just(InterfaceState::Waiting),
        failures().prop_map(InterfaceState::Failed),
        capabilities().prop_map(InterfaceState::Unsupported),
    ]
}

fn interface_reports() -> impl Strategy<Value = InterfaceReport> {
    (0u8..9, states(), any::<u32>()).prop_map(|(number, state, mtu)| {
        let interface = interface_parts(number);
        InterfaceReport {
            name: interface.name,
            mac: interface.mac,
            state,
            mtu,
            addresses: interface.addresses,
            routes: interface.routes,
        }
    })
}

pub(crate) fn to_coordinator() -> impl Strategy<Value = ToCoordinator> {
    let hellos = (
        any::<(u16, u16, u64)>(),
        "\\PC{0,16}",
        vec(capabilities(), 0..4),
        option::of(ids()),
    )
        .prop_map(|((oldest, newest, nonce), agent, capabilities, held)| {
            ToCoordinator::Hello(Hello {
                oldest,
                newest,
                nonce: SessionNonce(nonce),
                agent,
                capabilities,
                held,
            })
        });
    let reports = (
        any::<u64>(),
        ids(),
        vec(interface_reports(), 0..5),
        vec(failures(), 0..3),
    )
        .prop_map(|(sequence, spec, interfaces, failures)| {
            ToCoordinator::Report(Report {
                sequence,
                spec,
                interfaces,
                failures,
            })
        });
    let changes = prop_oneof![
        Just(LinkChange::Appeared),
        Just(LinkChange::Up),
        Just(LinkChange::Down),
        Just(LinkChange::Gone),
    ];
    let pongs =
        (any::<u64>(), option::of(ids()), any::<u64>()).prop_map(|(sequence, received, sent)| {
            ToCoordinator::Pong(Pong {
                sequence,
                received,
                report_sent: sent,
            })
        });
    prop_oneof![
        hellos,
        reports,
        changes.prop_map(|change| ToCoordinator::Link(LinkEvent {
            name: "eth0".parse().expect("a name"),
            change,
        })),
        pongs,
        "\\PC{0,100}".prop_map(|text| ToCoordinator::Log(LogLine {
            level: LogLevel::Info,
            text,
        })),
    ]
}
