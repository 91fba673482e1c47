//! The constant rules of both tables, as values.

mod arriving;
mod bridge;
mod genuine;
mod inet;
#[cfg(test)]
pub(super) use inet::FLOWS_OF_ONE;
mod nat;

use super::sets::NftSet;
use vch_nftables::{
    Chain, Comment, Datum, Family, Field, InterfacePrefix, IpVersion, NameError, Operator, Rule,
    Set, Statement, Table, name,
};

/// The constant content of one table: its chains with their rules, and the sets that packets fill.
/// The sets that follow the ledger are [`NftSet`]s.
pub struct Rules {
    /// The table's family and name.
    pub table: Table,
    /// The chains, ordered so that a chain stands before the rules that jump to it.
    pub chains: Vec<(Chain, Vec<Rule>)>,
    /// The sets that packets fill.
    pub flows: Vec<Set>,
}

impl Rules {
    /// Returns the table `inet vch`, which IP packets pass: published ports, isolation of networks,
    /// the VCH's own services.
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

    /// Returns the table `bridge vch`, which frames pass: anti-spoofing, shared segments, levels of
    /// external networks.
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

    /// Returns all sets of the table.
    pub fn sets(&self) -> impl Iterator<Item = Set> {
        let family = self.table.family;
        NftSet::all()
            .filter(move |kept| kept.family() == family)
            .map(NftSet::set)
            .chain(self.flows.iter().cloned())
    }
}

/// Returns the rule with a comment that holds its reason and a checksum of its expressions, so that
/// a rule of the same reason from another release is recognised as different.
///
/// # Errors
/// Returns [`NameError`] if the comment is too long for nf_tables.
pub fn explained(rule: Rule, why: &str) -> Result<Rule, NameError> {
    let words = crc32fast::hash(rule.to_string().as_bytes());
    Ok(rule.comment(Comment::new(format!("{why} [{words:08x}]"))?))
}

/// Returns a chain with its rules; each rule is given behind its reason.
///
/// # Errors
/// Returns [`NameError`] if a comment is too long for nf_tables.
pub fn chain(chain: Chain, rules: Vec<(&str, Rule)>) -> Result<(Chain, Vec<Rule>), NameError> {
    let rules = rules.into_iter().map(|(why, rule)| explained(rule, why));
    Ok((chain, rules.collect::<Result<_, _>>()?))
}

pub fn source(version: IpVersion) -> Field {
    match version {
        IpVersion::V4 => Field::IpSource,
        IpVersion::V6 => Field::Ip6Source,
    }
}

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
