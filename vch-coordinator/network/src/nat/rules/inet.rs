//! The rules of the inet family, which IP packets pass.

use super::super::sets::{NftSet, VERSIONS, address_type};
use super::nat::{self, DNS};
use super::{chain, destination, source};
use std::time::Duration;
use vch_nftables::{
    Chain, CtState, CtStatus, Datum, Field, Hook, InterfaceName, IpVersion, Name, NameError,
    Policy, Rule, Set, Statement, name,
};

/// `NF_IP_PRI_FILTER` of linux/netfilter_ipv4.h.
const FILTER: i32 = 0;

/// RFC 792, RFC 4443: "are you there".
const ECHO: u8 = 8;
const ECHO_V6: u8 = 128;
/// RFC 4861: who has an address, and the answer.
const NEIGHBOUR: (u8, u8) = (135, 136);

/// The most tracked flows that one address of a container may have begun at a time: a sixteenth of the connection
/// tracker of a VCH with 4 GiB of memory (`nf_conntrack_max` 262,144). A new flow costs the kernel a walk over the
/// flows of its address, at most one in each tick (`nf_conncount`): a millisecond or two. All containers share the
/// tracker, so packets that would begin further flows are dropped: a full tracker would refuse every container's new
/// flows.
pub(in crate::nat) const FLOWS_OF_ONE: u32 = 16_384;
/// How long an address that has reached its bound begins nothing: the kernel remembers each flow that it
/// counts, also one that is dropped then, so that a flood must not be counted.
const FULL: Duration = Duration::from_secs(1);
/// Addresses that are counted: of more containers than bridges of a VCH have room for.
const COUNTED: u32 = 65_536;

fn counted(version: IpVersion) -> Name {
    match version {
        IpVersion::V4 => name!("begun4"),
        IpVersion::V6 => name!("begun6"),
    }
}

fn full(version: IpVersion) -> Name {
    match version {
        IpVersion::V4 => name!("full4"),
        IpVersion::V6 => name!("full6"),
    }
}

/// Returns the sets that count flows by the address that began them, and the sets of addresses that have too many.
pub(super) fn flows() -> Vec<Set> {
    let sets = VERSIONS.map(|version| {
        let address = address_type(version);
        [
            Set::new(counted(version), [address]).counting(COUNTED),
            Set::new(full(version), [address]).dynamic(COUNTED),
        ]
    });
    sets.into_iter().flatten().collect()
}

/// Returns the rules that drop flows which a container on a bridge network begins beyond its bound.
fn too_many() -> Vec<(&'static str, Rule)> {
    let rules = VERSIONS.map(|version| {
        let begins = || {
            Rule::new()
                .is_in([Field::InputInterface], NftSet::Bridges.name())
                .ct_state(CtState::NEW)
        };
        let flooding = begins().is_in([source(version)], full(version)).drop();
        let over = begins()
            .flows_over(counted(version), [source(version)], FLOWS_OF_ONE)
            .update(full(version), [source(version)], FULL)
            .drop();
        [
            ("a container that has its bound of flows", flooding),
            ("no container takes the whole connection tracker", over),
        ]
    });
    rules.into_iter().flatten().collect()
}

/// Returns the chains of the table `inet vch` that filter packets, with their rules.
///
/// # Errors
/// Returns [`NameError`] if a name is too long for nf_tables.
pub(super) fn chains() -> Result<Vec<(Chain, Vec<Rule>)>, NameError> {
    let mut chains = nat::chains()?;
    let to_gateway = Chain::regular(name!("to_gateway"));
    let input = Chain::filter(name!("input"), Hook::Input, FILTER, Policy::Accept);
    let forward = Chain::filter(name!("forward"), Hook::Forward, FILTER, Policy::Accept);
    chains.push(chain(to_gateway, to_gateway_rules())?);
    chains.push(chain(input, input_rules()?)?);
    chains.push(chain(forward, forward_rules())?);
    Ok(chains)
}

/// Returns the rules for packets from containers on bridge networks to the VCH.
fn to_gateway_rules() -> Vec<(&'static str, Rule)> {
    let new = Rule::new;
    let mut rules = vec![
        (
            "answers to what the VCH itself began",
            new()
                .ct_state(CtState::ESTABLISHED | CtState::RELATED)
                .is(Field::CtDirection, Datum::CtReply(true))
                .accept(),
        ),
        (
            "neighbours",
            new()
                .then(Statement::Between(
                    Field::Icmpv6Type,
                    Datum::Icmpv6Type(NEIGHBOUR.0),
                    Datum::Icmpv6Type(NEIGHBOUR.1),
                ))
                .accept(),
        ),
    ];
    for version in VERSIONS {
        let may_ask = || {
            let key = [Field::InputInterface, destination(version)];
            new().is_in(key, NftSet::AllowedGateways(version).name())
        };
        // At any gateway: while the NIC of its first network is awaited, a container asks that
        // network's gateway by way of another. Who may ask what, the name server knows.
        let gateway = || new().is_in([destination(version)], NftSet::Gateways(version).name());
        for protocol in [Datum::UDP, Datum::TCP] {
            let rule = gateway().is(Field::L4Proto, protocol);
            rules.push(("names", rule.is(Field::DestinationPort, DNS).accept()));
        }
        let echo = match version {
            IpVersion::V4 => may_ask().is(Field::IcmpType, Datum::IcmpType(ECHO)),
            IpVersion::V6 => may_ask().is(Field::Icmpv6Type, Datum::Icmpv6Type(ECHO_V6)),
        };
        rules.push(("echo", echo.accept()));
    }
    rules.push(("nothing else of the VCH", new().drop()));
    rules
}

fn input_rules() -> Result<Vec<(&'static str, Rule)>, NameError> {
    let new = Rule::new;
    let loopback = InterfaceName::new("lo")?;
    let mut rules = too_many();
    rules.push((
        "from containers on bridge networks",
        new()
            .is_in([Field::InputInterface], NftSet::Bridges.name())
            .goto(name!("to_gateway")),
    ));
    for version in VERSIONS {
        rules.push((
            "gateways are for their own networks",
            new()
                .is_not(Field::InputInterface, loopback)
                .is_in([destination(version)], NftSet::Gateways(version).name())
                .drop(),
        ));
        let attached = || {
            let key = [Field::InputInterface, source(version)];
            new().is_in(key, NftSet::Attached(version).name())
        };
        let echo = match version {
            IpVersion::V4 => attached().is(Field::IcmpType, Datum::IcmpType(ECHO)),
            IpVersion::V6 => attached().is(Field::Icmpv6Type, Datum::Icmpv6Type(ECHO_V6)),
        };
        rules.push(("a container on an external network: echo", echo.accept()));
        if version == IpVersion::V6 {
            let neighbours = attached().then(Statement::Between(
                Field::Icmpv6Type,
                Datum::Icmpv6Type(NEIGHBOUR.0),
                Datum::Icmpv6Type(NEIGHBOUR.1),
            ));
            rules.push(("a container there: neighbours", neighbours.accept()));
        }
        rules.push((
            "a container there: nothing of the VCH",
            attached()
                .is(Field::CtDirection, Datum::CtReply(false))
                .drop(),
        ));
    }
    Ok(rules)
}

/// Returns the rules of networks' own options: `enable_icc`, and internal networks.
fn of_single_networks() -> [(&'static str, Rule); 5] {
    let new = Rule::new;
    let (from, to) = (Field::InputInterface, Field::OutputInterface);
    let internal = || NftSet::Internal.name();
    [
        (
            "containers that meet by published ports alone: by those",
            new()
                .is_in([from, to], NftSet::Isolated.name())
                .ct_status(CtStatus::DNAT)
                .accept(),
        ),
        (
            "and by nothing else",
            new().is_in([from, to], NftSet::Isolated.name()).drop(),
        ),
        (
            "what stays on its bridge",
            new().is_in([from, to], NftSet::IntraBridge.name()).accept(),
        ),
        (
            "an internal network has no way out",
            new().is_in([from], internal()).drop(),
        ),
        (
            "an internal network has no way in",
            new().is_in([to], internal()).drop(),
        ),
    ]
}

/// Returns the rules of the forward chain. With br_netfilter, frames that stay on a bridge pass
/// here too, with the bridge on both sides.
fn forward_rules() -> Vec<(&'static str, Rule)> {
    let new = Rule::new;
    let (from, to) = (Field::InputInterface, Field::OutputInterface);
    let bridges = || NftSet::Bridges.name();
    let mut rules = too_many();
    rules.extend(of_single_networks());
    for version in VERSIONS {
        for side in [source(version), destination(version)] {
            rules.push((
                "nor has one that shares its bridge with others",
                new()
                    .is_in([side], NftSet::InternalAddresses(version).name())
                    .drop(),
            ));
        }
    }
    rules.extend([
        (
            "published ports, both ways",
            new().ct_status(CtStatus::DNAT).accept(),
        ),
        (
            "bridge networks are apart",
            new().is_in([from], bridges()).is_in([to], bridges()).drop(),
        ),
        (
            "answers to containers",
            new()
                .is_in([to], bridges())
                .ct_state(CtState::ESTABLISHED | CtState::RELATED)
                .accept(),
        ),
        (
            "nothing else reaches a bridge network",
            new().is_in([to], bridges()).drop(),
        ),
        (
            "what belongs to no flow would go out untranslated",
            new()
                .is_in([from], bridges())
                .ct_state(CtState::INVALID)
                .drop(),
        ),
        (
            "external networks are the only way out",
            new()
                .is_in([from], bridges())
                .is_not_in([to], NftSet::External.name())
                .drop(),
        ),
        (
            "nobody outside is led to the management network or the docker endpoint",
            new()
                .is_in([from], NftSet::External.name())
                .is_in([to], NftSet::Private.name())
                .drop(),
        ),
    ]);
    rules
}
