//! Levels of external networks, kept at the container's port, without connection tracking.
//!
//! What a container begins is remembered by its own frames in sets with timeouts, and its answers
//! are let in by them, which keeps them there. A flow that both sides use is there for as long as
//! it lives; one that the rules forgot (they were made anew) comes back with the container's next
//! packet. What an opened port answers is not remembered: clients can't fill the sets.

use super::super::kept::{Kept, VERSIONS, address_type};
use super::{bridge, chain, destination, later_fragment, source};
use std::time::Duration;
use vch_nftables::{
    Chain, DataType, Datum, Field, IpVersion, Name, NameError, Rule, Set, Statement, TcpFlags, name,
};

/// RFC 5382, REQ-5: an established connection is kept 2 h 4 min, one that opens or closes 4 min.
const TCP_ESTABLISHED: Duration = Duration::from_secs(7440);
const TCP_TRANSITORY: Duration = Duration::from_secs(240);
/// RFC 4787, REQ-5. SCTP's heartbeats come each 30 s (RFC 9260, 16).
const DATAGRAMS: Duration = Duration::from_secs(300);
/// RFC 5508, REQ-1.
const ECHO: Duration = Duration::from_secs(60);

/// Flows at a time, of all external containers of the VCH together: at about 200 bytes, 26 MB.
const FLOWS: u32 = 131_072;
/// Pairs of a container and an address it sent an echo to.
const ECHOES: u32 = 16_384;

fn flow_set(version: IpVersion) -> Name {
    match version {
        IpVersion::V4 => name!("flows4"),
        IpVersion::V6 => name!("flows6"),
    }
}

fn echo_set(version: IpVersion) -> Name {
    match version {
        IpVersion::V4 => name!("echoes4"),
        IpVersion::V6 => name!("echoes6"),
    }
}

/// The sets that packets fill.
pub(super) fn flows() -> Vec<Set> {
    use DataType::{Interface, Protocol, Service};
    let sets = VERSIONS.map(|version| {
        let address = address_type(version);
        let flow = [Interface, Protocol, address, Service, Service];
        [
            Set::new(flow_set(version), flow).dynamic(FLOWS),
            Set::new(echo_set(version), [Interface, address]).dynamic(ECHOES),
        ]
    });
    sets.into_iter().flatten().collect()
}

/// A flow: port, protocol, the other's address and port, the container's own port.
fn flow_out(version: IpVersion) -> [Field; 5] {
    let other = destination(version);
    let ports = [Field::DestinationPort, Field::SourcePort];
    [
        Field::InputInterface,
        Field::L4Proto,
        other,
        ports[0],
        ports[1],
    ]
}

fn flow_in(version: IpVersion) -> [Field; 5] {
    let other = source(version);
    let ports = [Field::SourcePort, Field::DestinationPort];
    [
        Field::OutputInterface,
        Field::L4Proto,
        other,
        ports[0],
        ports[1],
    ]
}

fn tcp() -> Rule {
    Rule::new().is(Field::L4Proto, Datum::TCP)
}

fn ends() -> TcpFlags {
    TcpFlags::FIN | TcpFlags::RST
}

/// Without the first fragment, which has ports, nobody can use the others.
fn later_fragments() -> [(&'static str, Rule); 2] {
    VERSIONS.map(|version| ("the rest of a packet", later_fragment(version).accept()))
}

/// How neighbours find each other, and groups their members: without that, nobody reaches anybody.
/// RFC 2710, RFC 3810, RFC 4861.
fn neighbourhood() -> Vec<(&'static str, Rule)> {
    let types = |first, last| {
        Statement::Between(
            Field::Icmpv6Type,
            Datum::Icmpv6Type(first),
            Datum::Icmpv6Type(last),
        )
    };
    let arp = Rule::new().is(Field::EtherType, Datum::EtherType(0x0806));
    vec![
        ("ARP", arp.accept()),
        (
            "groups, neighbours",
            Rule::new().then(types(130, 136)).accept(),
        ),
        ("groups", Rule::new().then(types(143, 143)).accept()),
    ]
}

/// Frames from a container on an external network.
pub(super) fn leaving() -> Result<(Chain, Vec<Rule>), NameError> {
    let new = Rule::new;
    let from = Field::InputInterface;
    let mut rules = neighbourhood();
    rules.push(("closed", new().is_in([from], Kept::Closed.name()).drop()));
    rules.extend(later_fragments());
    rules.push((
        "what an opened port says",
        new()
            .is_in(
                [from, Field::L4Proto, Field::SourcePort],
                Kept::Opened.name(),
            )
            .accept(),
    ));
    for version in VERSIONS {
        let remember = |rule: Rule, time| {
            rule.update(flow_set(version), flow_out(version), time)
                .accept()
        };
        let echo = match version {
            IpVersion::V4 => new().is(Field::IcmpType, Datum::IcmpType(8)),
            IpVersion::V6 => new().is(Field::Icmpv6Type, Datum::Icmpv6Type(128)),
        };
        let asked = [from, destination(version)];
        rules.extend([
            (
                "a connection ends",
                remember(tcp().tcp_flags(ends()), TCP_TRANSITORY),
            ),
            (
                "a connection lives",
                remember(tcp().tcp_flags(TcpFlags::ACK), TCP_ESTABLISHED),
            ),
            ("a connection begins", remember(tcp(), TCP_TRANSITORY)),
            (
                "what it asks",
                remember(new().is(Field::L4Proto, Datum::UDP), DATAGRAMS),
            ),
            (
                "an association",
                remember(new().is(Field::L4Proto, Datum::SCTP), DATAGRAMS),
            ),
            (
                "an echo",
                echo.update(echo_set(version), asked, ECHO).accept(),
            ),
        ]);
    }
    chain(Chain::regular(name!("leaving")), rules)
}

/// Frames to a container on an external network, whoever sends them.
pub(super) fn arriving() -> Result<(Chain, Vec<Rule>), NameError> {
    let new = Rule::new;
    let to = Field::OutputInterface;
    let mut rules = neighbourhood();
    rules.push(("closed", new().is_in([to], Kept::Closed.name()).drop()));
    rules.extend(later_fragments());
    for version in VERSIONS {
        let known = |rule: Rule| rule.is_in(flow_in(version), flow_set(version));
        let keep = |rule: Rule, time| {
            known(rule)
                .update(flow_set(version), flow_in(version), time)
                .accept()
        };
        rules.extend([
            ("a connection ends", known(tcp().tcp_flags(ends())).accept()),
            ("a connection lives", keep(tcp(), TCP_ESTABLISHED)),
            (
                "an answer",
                keep(new().is(Field::L4Proto, Datum::UDP), DATAGRAMS),
            ),
            (
                "an association",
                keep(new().is(Field::L4Proto, Datum::SCTP), DATAGRAMS),
            ),
        ]);
        let echo = match version {
            IpVersion::V4 => new().is(Field::IcmpType, Datum::IcmpType(0)),
            IpVersion::V6 => new().is(Field::Icmpv6Type, Datum::Icmpv6Type(129)),
        };
        let asked = [to, source(version)];
        rules.push(("an echo", echo.is_in(asked, echo_set(version)).accept()));
    }
    // RFC 792: unreachable, time exceeded, parameter problem.
    for kind in [3, 11, 12] {
        let error = new().is(Field::IcmpType, Datum::IcmpType(kind));
        rules.push(("an error", error.accept()));
    }
    // RFC 4443: the errors.
    let errors = Statement::Between(
        Field::Icmpv6Type,
        Datum::Icmpv6Type(1),
        Datum::Icmpv6Type(4),
    );
    rules.push(("an error", new().then(errors).accept()));
    let port = [to, Field::L4Proto, Field::DestinationPort];
    rules.extend([
        (
            "an opened port",
            new().is_in(port, Kept::Opened.name()).accept(),
        ),
        (
            "another container of its network",
            bridge::container(
                new().is_in([to], Kept::Friendly.name()),
                Field::InputInterface,
            )?
            .accept(),
        ),
    ]);
    rules.push(("nothing else", new().drop()));
    chain(Chain::regular(name!("arriving")), rules)
}
