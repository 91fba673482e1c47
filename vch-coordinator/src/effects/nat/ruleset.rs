//! The rules as values: what they are, and how to come from one set of networks to another.

use super::NatError;
use protocol::spec::InterfaceName;
use std::collections::{BTreeMap, BTreeSet};
use vch_nftables::{
    Batch, Chain, Comment, Connection, DataType, Datum, Element, Family, Field, Hook,
    InterfaceName as NftInterface, Key, Name, NameError, Policy, ReadError, Rule, Set, Table,
};

/// Bridges by name, each with whether its network is internal.
pub type Networks = BTreeMap<InterfaceName, bool>;

/// A bridge whose elements may differ: what the sets hold of it, and what they must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its link.
    pub bridge: InterfaceName,
    /// Whether it was internal; `None` where it was not there.
    pub before: Option<bool>,
    /// Whether it must be internal; `None` where it must go.
    pub after: Option<bool>,
}

/// `NF_IP_PRI_FILTER` of linux/netfilter_ipv4.h.
const FILTER: i32 = 0;
/// `NF_IP_PRI_NAT_SRC` of linux/netfilter_ipv4.h.
const SOURCE_NAT: i32 = 100;

/// The table `inet vch`:
///
/// ```text
///   set bridges  { br-0123456789ab, ... }     every bridge of ours
///   set within   { br-0123... . br-0123... }  each with itself
///   set internal { ... }                      those without a way out
///   chain forward      iifname . oifname @within accept
///                      iifname @internal drop; oifname @internal drop
///                      iifname @bridges oifname @bridges drop
///   chain postrouting  iifname @bridges oifname != @bridges masquerade
/// ```
///
/// With br_netfilter loaded, frames that stay on a bridge pass `forward` too, with the bridge on
/// both sides: hence `within`. `iifname` is known in postrouting since Linux 5.7, for what is
/// forwarded.
pub struct Ruleset {
    table: Table,
    bridges: Set,
    within: Set,
    internal: Set,
    chains: Vec<(Chain, Vec<Rule>)>,
}

impl Ruleset {
    pub fn new() -> Result<Self, NameError> {
        let set =
            |name: &str| Ok::<_, NameError>(Set::new(Name::new(name)?, [DataType::Interface]));
        let (bridges, internal) = (set("bridges")?, set("internal")?);
        let within = Set::new(Name::new("within")?, [DataType::Interface; 2]);
        let (from, to) = ([Field::InputInterface], [Field::OutputInterface]);
        let forward = vec![
            explained(
                Rule::new()
                    .is_in(
                        [Field::InputInterface, Field::OutputInterface],
                        within.name.clone(),
                    )
                    .accept(),
                "what stays on its bridge",
            )?,
            explained(
                Rule::new().is_in(from, internal.name.clone()).drop(),
                "an internal network has no way out",
            )?,
            explained(
                Rule::new().is_in(to, internal.name.clone()).drop(),
                "an internal network has no way in",
            )?,
            explained(
                Rule::new()
                    .is_in(from, bridges.name.clone())
                    .is_in(to, bridges.name.clone())
                    .drop(),
                "bridge networks are apart",
            )?,
        ];
        let postrouting = vec![explained(
            Rule::new()
                .is_in(from, bridges.name.clone())
                .is_not_in(to, bridges.name.clone())
                .masquerade(),
            "containers go out by the address of the VCH",
        )?];
        let name = Name::new;
        let chains = vec![
            (
                Chain::filter(name("forward")?, Hook::Forward, FILTER, Policy::Accept),
                forward,
            ),
            (
                Chain::nat(name("postrouting")?, Hook::Postrouting, SOURCE_NAT),
                postrouting,
            ),
        ];
        Ok(Self {
            table: Table::new(Family::Inet, Name::new("vch")?),
            bridges,
            within,
            internal,
            chains,
        })
    }

    /// The whole table, in place of whatever is there.
    pub fn whole(&self, networks: &Networks) -> Result<Batch, NameError> {
        let mut batch = Batch::new();
        batch.replace_table(&self.table);
        for set in self.sets() {
            batch.add_set(&self.table, set);
        }
        for (chain, rules) in &self.chains {
            batch.add_chain(&self.table, chain.clone());
            for rule in rules {
                batch.add_rule(&self.table, &chain.name, rule.clone());
            }
        }
        batch.append(self.change(&changes(&Networks::new(), networks))?);
        Ok(batch)
    }

    fn sets(&self) -> [&Set; 3] {
        [&self.bridges, &self.within, &self.internal]
    }

    /// What a set holds of a bridge.
    fn element(
        &self,
        set: &Set,
        bridge: &InterfaceName,
        internal: Option<bool>,
    ) -> Result<Option<Element>, NameError> {
        let holds = internal.is_some_and(|internal| internal || *set != self.internal);
        if !holds {
            return Ok(None);
        }
        let name = NftInterface::new(bridge.as_str())?;
        let key = vec![Datum::Interface(name); set.key.len()];
        Ok(Some(Element::new(key)))
    }

    /// The elements that differ; nothing where nothing does.
    pub fn change(&self, changes: &[Change]) -> Result<Batch, NameError> {
        let mut batch = Batch::new();
        for set in self.sets() {
            let (mut gone, mut new) = (Vec::new(), Vec::new());
            for change in changes {
                let before = self.element(set, &change.bridge, change.before)?;
                let after = self.element(set, &change.bridge, change.after)?;
                if before != after {
                    gone.extend(before);
                    new.extend(after);
                }
            }
            if !gone.is_empty() {
                batch.delete_elements(&self.table, set, gone);
            }
            if !new.is_empty() {
                batch.add_elements(&self.table, set, new);
            }
        }
        Ok(batch)
    }

    /// What the kernel's sets hold; `None` where the table is not as we make it.
    pub fn observe(&self, connection: &mut Connection) -> Result<Option<Networks>, NatError> {
        match self.read(connection) {
            // Another program put something there that we have no words for, or removed it just now.
            Err(NatError::Read(ReadError::Decode(_))) => Ok(None),
            Err(NatError::Read(error)) if error.is_missing() => Ok(None),
            read => read,
        }
    }

    fn read(&self, connection: &mut Connection) -> Result<Option<Networks>, NatError> {
        if !connection.tables()?.contains(&self.table) || !self.stands(connection)? {
            return Ok(None);
        }
        let mut networks = Networks::new();
        for (set, internal) in [(&self.bridges, false), (&self.internal, true)] {
            for element in connection.elements(&self.table, set)? {
                match bridge(&element) {
                    Some(name) => networks.insert(name, internal),
                    None => return Ok(None),
                };
            }
        }
        for set in self.sets() {
            let wanted = networks
                .iter()
                .map(|(bridge, internal)| self.element(set, bridge, Some(*internal)));
            let wanted: BTreeSet<_> = wanted
                .filter_map(Result::transpose)
                .collect::<Result<_, _>>()?;
            if connection.elements(&self.table, set)? != wanted {
                return Ok(None);
            }
        }
        Ok(Some(networks))
    }

    /// Whether exactly our chains, sets and rules are there; rules are known by their comments,
    /// which say what is in them.
    fn stands(&self, connection: &mut Connection) -> Result<bool, NatError> {
        let found_chains = connection.chains(&self.table)?;
        let found_chains: BTreeSet<_> = found_chains.into_iter().map(|one| one.value).collect();
        let chains = self.chains.iter().map(|(chain, _)| Some(chain.clone()));
        let found_sets = connection.sets(&self.table)?;
        let found_sets: BTreeSet<_> = found_sets.into_iter().map(|one| one.value).collect();
        let sets = self.sets().map(|set| Some(set.clone()));
        if found_chains != chains.collect() || found_sets != sets.into() {
            return Ok(false);
        }
        let found = connection.rules(&self.table)?;
        let same_rules = |(chain, rules): &(Chain, Vec<Rule>)| {
            let found = found.iter().filter(|one| one.chain == chain.name);
            let wanted = rules.iter().map(|rule| rule.comment.as_ref());
            found
                .map(|one| one.comment.as_deref())
                .eq(wanted.map(|comment| comment.map(Comment::as_str)))
        };
        Ok(self.chains.iter().all(same_rules))
    }
}

/// What differs between two states of the sets.
pub fn changes(from: &Networks, to: &Networks) -> Vec<Change> {
    let bridges: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let changes = bridges.into_iter().map(|bridge| Change {
        bridge: bridge.clone(),
        before: from.get(bridge).copied(),
        after: to.get(bridge).copied(),
    });
    changes
        .filter(|change| change.before != change.after)
        .collect()
}

/// A rule with a comment that says why it is there and, by a checksum of its words, what it is: an
/// older release's rule of the same purpose is told from ours.
fn explained(rule: Rule, why: &str) -> Result<Rule, NameError> {
    let words = crc32fast::hash(rule.to_string().as_bytes());
    Ok(rule.comment(Comment::new(format!("{why} [{words:08x}]"))?))
}

fn bridge(element: &Element) -> Option<InterfaceName> {
    match &element.key {
        Key::Exact(key) => match key.as_slice() {
            [Datum::Interface(name)] => name.as_str().parse().ok(),
            _ => None,
        },
        Key::Range { .. } => None,
    }
}

#[cfg(test)]
mod tests;
