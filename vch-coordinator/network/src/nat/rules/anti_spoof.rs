//! Anti-spoofing: a container sends with its own addresses only, and never as a router or DHCP
//! server.

use super::super::sets::NftSet;
use super::{chain, later_fragment};
use std::net::{Ipv4Addr, Ipv6Addr};
use vch_nftables::{Chain, Datum, Field, IpVersion, NameError, Rule, name};

/// `ETH_P_*` of linux/if_ether.h.
const IP: Datum = Datum::EtherType(0x0800);
const ARP: Datum = Datum::EtherType(0x0806);
const IP6: Datum = Datum::EtherType(0x86dd);

/// Ports from which DHCP servers answer (RFC 2131, 4.1; RFC 8415, 7.2).
const DHCP_SERVER: Datum = Datum::Service(67);
const DHCP6_SERVER: Datum = Datum::Service(547);

/// RFC 792, RFC 1256: redirect, router advertisement.
const REDIRECT: Datum = Datum::IcmpType(5);
const ROUTER: Datum = Datum::IcmpType(9);
/// RFC 4861.
const ROUTER6: Datum = Datum::Icmpv6Type(134);
const SOLICITATION: Datum = Datum::Icmpv6Type(135);
const ADVERTISEMENT: Datum = Datum::Icmpv6Type(136);
const REDIRECT6: Datum = Datum::Icmpv6Type(137);
/// RFC 2710, RFC 3810: a host tells to which groups it listens, no longer listens, listens.
const LISTENERS: [Datum; 3] = [
    Datum::Icmpv6Type(131),
    Datum::Icmpv6Type(132),
    Datum::Icmpv6Type(143),
];

/// Returns the anti-spoofing chains with their rules, ordered so that a chain stands before the
/// rules that jump to it.
///
/// # Errors
/// Returns [`NameError`] if a name is too long for nf_tables.
pub(super) fn chains() -> Result<Vec<(Chain, Vec<Rule>)>, NameError> {
    let new = Rule::new;
    let mac = [Field::InputInterface, Field::EtherSource];
    // A tagged frame says that it is tagged, whatever is behind the tag.
    let carries = |kind| new().is(Field::EtherType, kind);
    Ok(vec![
        chain(Chain::regular(name!("anti_spoof_ip")), ip())?,
        chain(Chain::regular(name!("anti_spoof_arp")), arp())?,
        chain(Chain::regular(name!("anti_spoof_ip6")), ip6())?,
        chain(
            Chain::regular(name!("anti_spoof")),
            vec![
                (
                    "another's MAC address",
                    new().is_not_in(mac, NftSet::Macs.name()).drop(),
                ),
                ("IPv4", carries(IP).goto(name!("anti_spoof_ip"))),
                ("ARP", carries(ARP).goto(name!("anti_spoof_arp"))),
                ("IPv6", carries(IP6).goto(name!("anti_spoof_ip6"))),
                ("nothing else, and no VLAN", new().drop()),
            ],
        )?,
    ])
}

/// Returns the fields and the set by which port, the frame's sender and an address are looked up as
/// one container's.
fn own(address: Field, version: IpVersion) -> ([Field; 3], vch_nftables::Name) {
    let key = [Field::InputInterface, Field::EtherSource, address];
    (key, NftSet::Sources(version).name())
}

fn ip() -> Vec<(&'static str, Rule)> {
    let new = Rule::new;
    let (key, sources) = own(Field::IpSource, IpVersion::V4);
    vec![
        (
            "the rest of a packet of its own",
            later_fragment(IpVersion::V4)
                .is_in(key, sources.clone())
                .returns(),
        ),
        (
            "a DHCP server's answer",
            new()
                .is(Field::L4Proto, Datum::UDP)
                .is(Field::SourcePort, DHCP_SERVER)
                .drop(),
        ),
        ("a redirect", new().is(Field::IcmpType, REDIRECT).drop()),
        ("a router", new().is(Field::IcmpType, ROUTER).drop()),
        ("its own address", new().is_in(key, sources).returns()),
        ("another's IPv4 address", new().drop()),
    ]
}

fn arp() -> Vec<(&'static str, Rule)> {
    let new = Rule::new;
    let sources = NftSet::Sources(IpVersion::V4).name();
    let (key, _) = own(Field::ArpSenderIp, IpVersion::V4);
    let claimed = [Field::InputInterface, Field::ArpSenderEther];
    let asks = Datum::ArpOperation(1);
    vec![
        (
            "another's MAC address in ARP",
            new().is_not_in(claimed, NftSet::Macs.name()).drop(),
        ),
        ("its own address", new().is_in(key, sources).returns()),
        (
            "is an address free? (RFC 5227)",
            new()
                .is(Field::ArpOperation, asks)
                .is(Field::ArpSenderIp, Ipv4Addr::UNSPECIFIED)
                .returns(),
        ),
        ("another's IPv4 address in ARP", new().drop()),
    ]
}

fn ip6() -> Vec<(&'static str, Rule)> {
    let new = Rule::new;
    let (key, sources) = own(Field::Ip6Source, IpVersion::V6);
    let (target, _) = own(Field::NeighbourTarget, IpVersion::V6);
    let unspecified = || new().is(Field::Ip6Source, Ipv6Addr::UNSPECIFIED);
    let kind = |kind| new().is(Field::Icmpv6Type, kind);
    let mut rules = vec![
        (
            "the rest of a packet of its own",
            later_fragment(IpVersion::V6)
                .is_in(key, sources.clone())
                .returns(),
        ),
        (
            "a DHCP server's answer",
            new()
                .is(Field::L4Proto, Datum::UDP)
                .is(Field::SourcePort, DHCP6_SERVER)
                .drop(),
        ),
        ("a router", kind(ROUTER6).drop()),
        ("a redirect", kind(REDIRECT6).drop()),
        (
            "another's address advertised",
            kind(ADVERTISEMENT)
                .is_not_in(target, sources.clone())
                .drop(),
        ),
        (
            "its own address",
            new().is_in(key, sources.clone()).returns(),
        ),
        (
            "is its own address free? (RFC 4862)",
            unspecified()
                .is(Field::Icmpv6Type, SOLICITATION)
                .is_in(target, sources)
                .returns(),
        ),
    ];
    for listener in LISTENERS {
        let rule = unspecified().is(Field::Icmpv6Type, listener);
        rules.push(("groups, before it has an address", rule.returns()));
    }
    rules.push(("another's IPv6 address", new().drop()));
    rules
}
