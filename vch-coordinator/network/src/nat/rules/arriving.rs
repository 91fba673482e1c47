//! Levels of external networks, kept at the container's port, without connection tracking. What a container begins
//! is remembered in sets of its own ([`super::super::remembered`]); what an opened port answers is not: clients can't
//! fill the sets.

use super::super::sets::{NftSet, VERSIONS};
use super::{chain, container, later_fragment};
use vch_nftables::{Chain, Datum, Field, NameError, Rule, Statement, name};

/// Returns the rule that lets later fragments pass: without the first fragment, which has the ports
/// and was filtered, a receiver can't use them.
fn later_fragments() -> [(&'static str, Rule); 2] {
    VERSIONS.map(|version| ("the rest of a packet", later_fragment(version).accept()))
}

/// Returns the rules that let neighbour discovery and multicast group membership pass, without
/// which no host reaches another. RFC 2710, RFC 3810, RFC 4861.
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

/// Returns the chain that frames from a container on an external network pass, with its rules.
///
/// # Errors
/// Returns [`NameError`] if a name is too long for nf_tables.
pub(super) fn leaving() -> Result<(Chain, Vec<Rule>), NameError> {
    let new = Rule::new;
    let from = Field::InputInterface;
    let mut rules = neighbourhood();
    rules.push(("closed", new().is_in([from], NftSet::Closed.name()).drop()));
    rules.extend(later_fragments());
    rules.push((
        "what an opened port says",
        new()
            .is_in(
                [from, Field::L4Proto, Field::SourcePort],
                NftSet::Opened.name(),
            )
            .accept(),
    ));
    rules.push((
        "what it begins",
        new().verdict_map([from], NftSet::Leaving.name()),
    ));
    chain(Chain::regular(name!("leaving")), rules)
}

/// Returns the chain that frames to a container on an external network pass, whatever their sender,
/// with its rules.
///
/// # Errors
/// Returns [`NameError`] if a name is too long for nf_tables.
pub(super) fn arriving() -> Result<(Chain, Vec<Rule>), NameError> {
    let new = Rule::new;
    let to = Field::OutputInterface;
    let mut rules = neighbourhood();
    rules.push(("closed", new().is_in([to], NftSet::Closed.name()).drop()));
    rules.extend(later_fragments());
    rules.push((
        "what it began",
        new().verdict_map([to], NftSet::Arriving.name()),
    ));
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
            new().is_in(port, NftSet::Opened.name()).accept(),
        ),
        (
            "another container of its network",
            container(
                new().is_in([to], NftSet::PeersAllowed.name()),
                Field::InputInterface,
            )?
            .accept(),
        ),
    ]);
    rules.push(("nothing else", new().drop()));
    chain(Chain::regular(name!("arriving")), rules)
}
