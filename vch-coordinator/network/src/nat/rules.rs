//! The constant rules of the nftables tables `inet vch` and `bridge vch`, as values.

mod anti_spoof;
mod arriving;
mod bridge;
mod inet;
#[cfg(test)]
pub(super) use inet::FLOWS_OF_ONE;
mod nat;

use super::sets::NftSet;
use vch_nftables::{
    Chain, Comment, Datum, Family, Field, InterfacePrefix, IpVersion, NameError, Operator, Rule,
    Set, Statement, Table, name,
};

/// The constant content of one nftables table: its chains with their rules, and the sets that the kernel fills as
/// packets pass. The sets that change with the ledger are [`NftSet`]s.
pub struct Rules {
    /// The table's family and name.
    pub table: Table,
    /// The chains, each with its rules, in the order of their creation: a chain comes before the rules that jump to it.
    pub chains: Vec<(Chain, Vec<Rule>)>,
    /// The sets that the kernel fills as packets pass.
    pub flows: Vec<Set>,
}

impl Rules {
    /// Returns the content of the table `inet vch`, whose rules IP packets pass: published ports, isolation of
    /// networks, the VCH's own services.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn inet() -> Result<Self, NameError> {
        Ok(Self {
            table: Table::new(Family::Inet, name!("vch")),
            chains: inet::chains()?,
            flows: inet::flows(),
        })
    }

    /// Returns the content of the table `bridge vch`, whose rules Ethernet frames on bridges pass: anti-spoofing,
    /// shared bridges, firewall levels of external networks.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn bridge() -> Result<Self, NameError> {
        Ok(Self {
            table: Table::new(Family::Bridge, name!("vch")),
            chains: bridge::chains()?,
            flows: Vec::new(),
        })
    }

    /// Returns the definitions of all sets of the table: those that change with the ledger, and those that packets
    /// fill.
    pub fn sets(&self) -> impl Iterator<Item = Set> {
        let family = self.table.family;
        NftSet::all()
            .filter(move |kept| kept.family() == family)
            .map(NftSet::set)
            .chain(self.flows.iter().cloned())
    }
}

/// Returns the rule with a comment: the reason `why`, and a checksum of the rule's expressions. By the checksum a rule
/// of another release is recognised as different although its reason is the same.
///
/// # Errors
/// Returns [`NameError`] if the comment is too long for nf_tables.
pub fn explained(rule: Rule, why: &str) -> Result<Rule, NameError> {
    let words = crc32fast::hash(rule.to_string().as_bytes());
    Ok(rule.comment(Comment::new(format!("{why} [{words:08x}]"))?))
}

/// Returns the chain with its rules, each of which gets its reason as a comment ([`explained`]).
///
/// # Errors
/// Returns [`NameError`] if a comment is too long for nf_tables.
pub fn chain(chain: Chain, rules: Vec<(&str, Rule)>) -> Result<(Chain, Vec<Rule>), NameError> {
    let rules = rules.into_iter().map(|(why, rule)| explained(rule, why));
    Ok((chain, rules.collect::<Result<_, _>>()?))
}

/// Returns the field of a packet's source address, for this version of IP.
pub fn source(version: IpVersion) -> Field {
    match version {
        IpVersion::V4 => Field::IpSource,
        IpVersion::V6 => Field::Ip6Source,
    }
}

/// Returns the field of a packet's destination address, for this version of IP.
pub fn destination(version: IpVersion) -> Field {
    match version {
        IpVersion::V4 => Field::IpDestination,
        IpVersion::V6 => Field::Ip6Destination,
    }
}

/// Returns a rule that matches a fragment that is not its packet's first. It has no ports and no
/// type, and its bytes at their place must not be taken for them. The bridge family's rules see
/// fragments; those of IP see packets that the connection tracker has reassembled.
fn later_fragment(version: IpVersion) -> Rule {
    // RFC 791: the low 13 bits are the offset; RFC 8200, 4.5: the high ones.
    let (field, offset) = match version {
        IpVersion::V4 => (Field::IpFragment, 0x1fff),
        IpVersion::V6 => (Field::Ip6Fragment, 0xfff8),
    };
    Rule::new().then(Statement::CompareBits {
        field,
        mask: Datum::Number(offset),
        operator: Operator::NotEqual,
        value: Datum::Number(0),
    })
}

/// Returns the rule with a match that a port of a bridge is a container's, by its name (`desired::port_name`); no
/// packet passes before the sets have the port.
fn container(rule: Rule, port: Field) -> Result<Rule, NameError> {
    Ok(rule.begins(port, InterfacePrefix::new("vt-")?))
}

#[cfg(test)]
mod tests;
