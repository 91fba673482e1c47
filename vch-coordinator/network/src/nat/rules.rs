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
    Chain, Comment, Datum, Family, Field, IpVersion, NameError, Operator, Rule, Set, Statement,
    Table, name,
};

/// One table: its chains with their rules, and the sets that packets fill. Those that follow the
/// ledger are [`NftSet`].
pub struct Rules {
    /// Family and name.
    pub table: Table,
    /// Chains in an order in which each is there before a rule leads to it.
    pub chains: Vec<(Chain, Vec<Rule>)>,
    /// Sets that packets fill.
    pub flows: Vec<Set>,
}

impl Rules {
    /// What IP meets: published ports, isolation of networks, the VCH's own services.
    pub fn inet() -> Result<Self, NameError> {
        Ok(Self {
            table: Table::new(Family::Inet, name!("vch")),
            chains: inet::chains()?,
            flows: inet::flows(),
        })
    }

    /// What frames meet: anti-spoofing, shared segments, levels of external networks.
    pub fn bridge() -> Result<Self, NameError> {
        Ok(Self {
            table: Table::new(Family::Bridge, name!("vch")),
            chains: bridge::chains()?,
            flows: Vec::new(),
        })
    }

    /// All sets of the table.
    pub fn sets(&self) -> impl Iterator<Item = Set> {
        let family = self.table.family;
        NftSet::all()
            .filter(move |kept| kept.family() == family)
            .map(NftSet::set)
            .chain(self.flows.iter().cloned())
    }
}

/// A rule with a comment that says why it is there and, by a checksum of its words, what it is: an
/// older release's rule of the same purpose is told from ours.
pub fn explained(rule: Rule, why: &str) -> Result<Rule, NameError> {
    let words = crc32fast::hash(rule.to_string().as_bytes());
    Ok(rule.comment(Comment::new(format!("{why} [{words:08x}]"))?))
}

/// A chain with its rules, each behind the reason for it.
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

/// A fragment that is not its packet's first: it has no ports and no type, and what stands where
/// they would be must not be taken for them. The bridge family's rules see fragments; IP's see
/// packets that the connection tracker has put together.
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

#[cfg(test)]
mod tests;
