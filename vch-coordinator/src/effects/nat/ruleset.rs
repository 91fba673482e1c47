//! The rules as values: what they are, and how to come from one set of networks to another.

use super::NatError;
use protocol::spec::InterfaceName;
use std::collections::{BTreeMap, BTreeSet};
use vch_nftables::{
    Batch, Chain, Comment, Connection, DataType, Datum, Element, Family, Field, Hook,
    InterfaceName as NftInterface, Key, Name, NameError, Policy, Rule, Set, Table,
};

/// Bridges by name, each with whether its network is internal.
pub type Networks = BTreeMap<InterfaceName, bool>;

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
        let rule = |rule: Rule, why: &str| Ok::<_, NameError>(rule.comment(Comment::new(why)?));
        let forward = vec![
            rule(
                Rule::new()
                    .is_in(
                        [Field::InputInterface, Field::OutputInterface],
                        within.name.clone(),
                    )
                    .accept(),
                "what stays on its bridge",
            )?,
            rule(
                Rule::new().is_in(from, internal.name.clone()).drop(),
                "an internal network has no way out",
            )?,
            rule(
                Rule::new().is_in(to, internal.name.clone()).drop(),
                "an internal network has no way in",
            )?,
            rule(
                Rule::new()
                    .is_in(from, bridges.name.clone())
                    .is_in(to, bridges.name.clone())
                    .drop(),
                "bridge networks are apart",
            )?,
        ];
        let postrouting = vec![rule(
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
        batch.append(self.change(&Networks::new(), networks)?);
        Ok(batch)
    }

    fn sets(&self) -> [&Set; 3] {
        [&self.bridges, &self.within, &self.internal]
    }

    /// What a set must hold.
    fn elements(&self, set: &Set, networks: &Networks) -> Result<BTreeSet<Element>, NameError> {
        let only_internal = *set == self.internal;
        let listed = networks
            .iter()
            .filter(|(_, internal)| !only_internal || **internal);
        listed
            .map(|(name, _)| {
                let name = NftInterface::new(name.as_str())?;
                Ok(Element::new(vec![Datum::Interface(name); set.key.len()]))
            })
            .collect()
    }

    /// The elements that differ; nothing where nothing does.
    pub fn change(&self, from: &Networks, to: &Networks) -> Result<Batch, NameError> {
        let mut batch = Batch::new();
        for set in self.sets() {
            let (before, after) = (self.elements(set, from)?, self.elements(set, to)?);
            let gone: Vec<_> = before.difference(&after).cloned().collect();
            if !gone.is_empty() {
                batch.delete_elements(&self.table, set, gone);
            }
            let new: Vec<_> = after.difference(&before).cloned().collect();
            if !new.is_empty() {
                batch.add_elements(&self.table, set, new);
            }
        }
        Ok(batch)
    }

    /// What the kernel's sets hold; `None` where its rules are not ours.
    pub fn observe(&self, connection: &mut Connection) -> Result<Option<Networks>, NatError> {
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
            if connection.elements(&self.table, set)? != self.elements(set, &networks)? {
                return Ok(None);
            }
        }
        Ok(Some(networks))
    }

    /// Whether chains, sets and rules are there, the rules known by their comments.
    fn stands(&self, connection: &mut Connection) -> Result<bool, NatError> {
        let chains: BTreeSet<_> = connection
            .chains(&self.table)?
            .into_iter()
            .map(|f| f.value)
            .collect();
        let sets: BTreeSet<_> = connection
            .sets(&self.table)?
            .into_iter()
            .map(|f| f.value)
            .collect();
        let rules: Vec<_> = connection
            .rules(&self.table)?
            .into_iter()
            .map(|rule| (rule.chain, rule.comment))
            .collect();
        let wanted_chains = self
            .chains
            .iter()
            .map(|(chain, _)| Some(chain.clone()))
            .collect();
        let wanted_sets = [&self.bridges, &self.internal]
            .map(|set| Some(set.clone()))
            .into();
        let wanted_rules = |chain: &Chain| {
            let of_chain = self.chains.iter().filter(|(one, _)| one.name == chain.name);
            of_chain
                .flat_map(|(_, rules)| rules)
                .map(|rule| rule.comment.as_ref().map(ToString::to_string))
                .collect::<Vec<_>>()
        };
        let same_rules = self.chains.iter().all(|(chain, _)| {
            let found = rules.iter().filter(|(name, _)| *name == chain.name);
            found
                .map(|(_, comment)| comment.clone())
                .collect::<Vec<_>>()
                == wanted_rules(chain)
        });
        Ok(chains == wanted_chains && sets == wanted_sets && same_rules)
    }
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
