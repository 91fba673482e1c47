//! Chains of type nat: only the first packet of a flow passes them, and the flow keeps their
//! decision.

use super::super::sets::{NftSet, Reach, VERSIONS};
use super::{chain, destination, source};
use std::net::{Ipv4Addr, Ipv6Addr};
use vch_nftables::{
    AddressType, Chain, CtStatus, Datum, Field, Hook, InterfaceName, IpVersion, Name, NameError,
    Policy, Rule, name,
};

/// `NF_IP_PRI_RAW` of linux/netfilter_ipv4.h: before connection tracking and every NAT.
const RAW: i32 = -300;
/// `NF_IP_PRI_NAT_DST` of linux/netfilter_ipv4.h.
const DESTINATION_NAT: i32 = -100;
/// `NF_IP_PRI_NAT_SRC` of linux/netfilter_ipv4.h.
const SOURCE_NAT: i32 = 100;

/// The port of DNS (RFC 1035, 4.2).
pub(super) const DNS: Datum = Datum::Service(53);

/// The VCH's own loopback addresses (RFC 1122, 3.2.1.3).
const LOOPBACK: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 0, 0, 0), 8);

/// Returns the chains of the table `inet vch` that translate addresses, with their rules.
///
/// # Errors
/// Returns [`NameError`] if a name is too long for nf_tables.
pub(super) fn chains() -> Result<Vec<(Chain, Vec<Rule>)>, NameError> {
    let new = Rule::new;
    let guard = Chain::filter(
        name!("loopback_guard"),
        Hook::Prerouting,
        RAW,
        Policy::Accept,
    );
    let prerouting = Chain::nat(name!("prerouting"), Hook::Prerouting, DESTINATION_NAT);
    let output = Chain::nat(name!("output"), Hook::Output, DESTINATION_NAT);
    let postrouting = Chain::nat(name!("postrouting"), Hook::Postrouting, SOURCE_NAT);
    let lead = || new().jump(name!("published"));
    let mut from_outside = Vec::new();
    let mut at_gateways = Vec::new();
    for version in VERSIONS {
        from_outside.push((
            "gateways are for containers on bridge networks",
            new()
                .is_not_in([Field::InputInterface], NftSet::Bridges.name())
                .is_in([destination(version)], NftSet::Gateways(version).name())
                .accept(),
        ));
        at_gateways.push((
            "published ports, at a gateway",
            new()
                .is_in([destination(version)], NftSet::OpenGateways(version).name())
                .jump(at_default()),
        ));
    }
    from_outside.push(("published ports, from outside", lead()));
    from_outside.extend(at_gateways.iter().cloned());
    let mut from_vch = vec![
        (
            "IPv6 has no loopback beyond the link lo",
            new()
                .is(Field::Ip6Destination, Ipv6Addr::LOCALHOST)
                .accept(),
        ),
        ("published ports, from the VCH itself", lead()),
    ];
    from_vch.extend(at_gateways);
    from_vch.push((
        "published ports, at loopback",
        loopback(Field::IpDestination).jump(at_default()),
    ));
    Ok(vec![
        chain(Chain::regular(at_default()), published_at_default())?,
        chain(Chain::regular(name!("published")), published())?,
        chain(guard, loopback_guard()?)?,
        chain(prerouting, from_outside)?,
        chain(output, from_vch)?,
        chain(postrouting, going_out())?,
    ])
}

/// Returns the name of the chain for ports that are published without an address.
fn at_default() -> Name {
    name!("published_default")
}

fn loopback(field: Field) -> Rule {
    let (address, prefix) = LOOPBACK;
    Rule::new().in_subnet(field, address.into(), prefix)
}

/// Bridges have `route_localnet`, so that the answers to the VCH's own connections by loopback are
/// taken. What that setting would let in from any link is dropped here, before it is translated or
/// tracked.
fn loopback_guard() -> Result<Vec<(&'static str, Rule)>, NameError> {
    let lo = InterfaceName::new("lo")?;
    let rules = [Field::IpDestination, Field::IpSource].map(|field| {
        (
            "loopback addresses are the VCH's own, on no link",
            loopback(field).is_not(Field::InputInterface, lo).drop(),
        )
    });
    Ok(rules.into())
}

/// Returns the rules that set the source address of packets that leave.
fn going_out() -> Vec<(&'static str, Rule)> {
    let new = Rule::new;
    let (from, to) = (Field::InputInterface, Field::OutputInterface);
    let mut rules = vec![(
        "a container that reaches its own network by a published port",
        new()
            .ct_status(CtStatus::DNAT)
            .is_in([from, to], NftSet::IntraBridge.name())
            .masquerade(),
    )];
    rules.push((
        "the VCH itself, by loopback",
        loopback(Field::IpSource)
            .is_in([to], NftSet::Bridges.name())
            .masquerade(),
    ));
    for version in VERSIONS {
        let kept = NftSet::Untranslated(version).name();
        rules.push((
            "the outside sees these containers' own addresses",
            new().is_in([source(version)], kept).accept(),
        ));
    }
    rules.push((
        "containers go out by the address of the VCH",
        new()
            .is_in([from], NftSet::Bridges.name())
            .is_not_in([to], NftSet::Bridges.name())
            .masquerade(),
    ));
    rules
}

/// Returns the rules that look a binding up. Of several bindings of one port the most specific one
/// decides. A binding's clients are checked before its destination.
fn published() -> Vec<(&'static str, Rule)> {
    let mut rules = Vec::new();
    for version in VERSIONS {
        let gateways = NftSet::Gateways(version).name();
        let private = NftSet::PrivateAddresses(version).name();
        rules.push((
            "nothing is published on the management network or the docker endpoint",
            Rule::new().is_in([destination(version)], private).accept(),
        ));
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
            match reach {
                Reach::Default => rules.push((
                    "where a port leads that names no address",
                    at(reach, version).jump(at_default()),
                )),
                Reach::Address | Reach::Any => rules.extend(targets(reach, version)),
            }
        }
    }
    rules
}

/// Ports that name no address, for packets to one at which those are published.
fn published_at_default() -> Vec<(&'static str, Rule)> {
    let targets = VERSIONS.map(|version| targets(Reach::Default, version));
    targets.into_iter().flatten().collect()
}

fn targets(reach: Reach, version: IpVersion) -> [(&'static str, Rule); 2] {
    let (clients, targets) = (
        NftSet::Clients(reach, version).name(),
        NftSet::Published(reach, version).name(),
    );
    let at = || match reach {
        Reach::Default => Rule::new().is(Field::NfProto, Datum::NfProto(version)),
        Reach::Address | Reach::Any => at(reach, version),
    };
    [
        (
            "who may use a port",
            at().verdict_map(key(reach, version), clients),
        ),
        (
            "where a port leads",
            at().dnat_map(version, key(reach, version), targets),
        ),
    ]
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
        Reach::Default => rule.is_in([destination(version)], NftSet::Defaults(version).name()),
        Reach::Any => rule
            .is(
                Field::FibDestinationType,
                Datum::AddressType(AddressType::Local),
            )
            .is_not_in([Field::InputInterface], NftSet::Private.name()),
    }
}
