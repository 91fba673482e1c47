//! Chains of type nat: they see the first packet of a flow, and the flow keeps what they decide.

use super::super::kept::{Kept, Reach, VERSIONS};
use super::{chain, destination, source};
use std::net::{Ipv4Addr, Ipv6Addr};
use vch_nftables::{
    AddressType, Chain, CtStatus, Datum, Field, Hook, IpVersion, NameError, Rule, name,
};

/// `NF_IP_PRI_NAT_DST` of linux/netfilter_ipv4.h.
const DESTINATION_NAT: i32 = -100;
/// `NF_IP_PRI_NAT_SRC` of linux/netfilter_ipv4.h.
const SOURCE_NAT: i32 = 100;

/// Where DNS is asked for (RFC 1035, 4.2).
pub(super) const DNS: Datum = Datum::Service(53);

pub(super) fn chains() -> Result<Vec<(Chain, Vec<Rule>)>, NameError> {
    let new = Rule::new;
    let prerouting = Chain::nat(name!("prerouting"), Hook::Prerouting, DESTINATION_NAT);
    let output = Chain::nat(name!("output"), Hook::Output, DESTINATION_NAT);
    let postrouting = Chain::nat(name!("postrouting"), Hook::Postrouting, SOURCE_NAT);
    let loopback = "what the VCH keeps for itself is never published";
    let lead = || new().jump(name!("published"));
    Ok(vec![
        chain(Chain::regular(name!("published")), published())?,
        chain(prerouting, vec![("published ports, from outside", lead())])?,
        chain(
            output,
            vec![
                (
                    loopback,
                    new()
                        .in_subnet(Field::IpDestination, Ipv4Addr::LOCALHOST.into(), 8)
                        .accept(),
                ),
                (
                    loopback,
                    new()
                        .is(Field::Ip6Destination, Ipv6Addr::LOCALHOST)
                        .accept(),
                ),
                ("published ports, from the VCH itself", lead()),
            ],
        )?,
        chain(postrouting, going_out())?,
    ])
}

/// The address that a packet bears as it leaves.
fn going_out() -> Vec<(&'static str, Rule)> {
    let new = Rule::new;
    let (from, to) = (Field::InputInterface, Field::OutputInterface);
    let mut rules = vec![(
        "a container that reaches its own network by a published port",
        new()
            .ct_status(CtStatus::DNAT)
            .is_in([from, to], Kept::Within.name())
            .masquerade(),
    )];
    for version in VERSIONS {
        let kept = Kept::Untranslated(version).name();
        rules.push((
            "the outside sees these containers' own addresses",
            new().is_in([source(version)], kept).accept(),
        ));
    }
    rules.push((
        "containers go out by the address of the VCH",
        new()
            .is_in([from], Kept::Bridges.name())
            .is_not_in([to], Kept::Bridges.name())
            .masquerade(),
    ));
    rules
}

/// Of several bindings of one port the most particular one decides. Its clients are looked at
/// before its destination is.
fn published() -> Vec<(&'static str, Rule)> {
    let mut rules = Vec::new();
    for version in VERSIONS {
        let gateways = Kept::Gateways(version).name();
        rules.push((
            "no container takes the gateways' DNS away",
            Rule::new()
                .is_in([destination(version)], gateways)
                .is(Field::DestinationPort, DNS)
                .accept(),
        ));
    }
    for reach in Reach::ALL {
        for version in VERSIONS {
            let (clients, targets) = (
                Kept::Clients(reach, version).name(),
                Kept::Published(reach, version).name(),
            );
            rules.push((
                "who may use a port",
                at(reach, version).verdict_map(key(reach, version), clients),
            ));
            rules.push((
                "where a port leads",
                at(reach, version).dnat_map(version, key(reach, version), targets),
            ));
        }
    }
    rules
}

fn key(reach: Reach, version: IpVersion) -> Vec<Field> {
    let port = [Field::L4Proto, Field::DestinationPort];
    match reach {
        Reach::Address => [&[destination(version)], &port[..]].concat(),
        Reach::Default | Reach::Any => port.to_vec(),
    }
}

/// Packets to an address at which such a port is published.
fn at(reach: Reach, version: IpVersion) -> Rule {
    let rule = Rule::new().is(Field::NfProto, Datum::NfProto(version));
    match reach {
        Reach::Address => rule,
        Reach::Default => rule.is_in([destination(version)], Kept::Defaults(version).name()),
        Reach::Any => rule
            .is(
                Field::FibDestinationType,
                Datum::AddressType(AddressType::Local),
            )
            .is_not_in([Field::InputInterface], Kept::Private.name()),
    }
}
