//! The constant rules of both tables: makes the tables, changes their sets, and compares the kernel's tables with them.

use super::NatError;
use super::clients::ClientList;
use super::remembered::{self, Remembered};
use super::rules::Rules;
use super::sets::NftSet;
use super::state::Difference;
use super::things::Held;
use std::collections::{BTreeMap, BTreeSet};
use vch_nftables::{
    Batch, Chain, Comment, Connection, Element, Family, FoundRule, Name, NameError, Operation,
    ReadError, Rule, Table,
};

/// The VCH's two nftables tables, `inet vch` and `bridge vch`, as this release makes them.
pub struct Ruleset {
    tables: [Rules; 2],
}

/// The content of a table of the kernel's whose rules are this release's.
#[derive(Debug, Default)]
struct FoundRuleset {
    elements: BTreeMap<NftSet, BTreeSet<Element>>,
    lists: BTreeSet<Name>,
    remembered: BTreeSet<Remembered>,
}

impl Ruleset {
    /// Makes the nftables rules of this release as values. Nothing is sent to the kernel.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn new() -> Result<Self, NameError> {
        Ok(Self {
            tables: [Rules::inet()?, Rules::bridge()?],
        })
    }

    /// Returns the families and names of both tables.
    pub fn tables(&self) -> Vec<Table> {
        self.tables
            .iter()
            .map(|rules| rules.table.clone())
            .collect()
    }

    /// Returns the batch of kernel requests that makes this difference. It is empty for an empty difference.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name is too long for nf_tables.
    pub fn change(&self, difference: &Difference) -> Result<Batch, NameError> {
        let mut batch = Batch::new();
        for rules in &self.tables {
            let family = rules.table.family;
            let (mut gone, mut new) = (Parts::default(), Parts::default());
            gone.take(family, &difference.gone);
            new.take(family, &difference.new);
            for list in &new.lists {
                add_list(&mut batch, &rules.table, list)?;
            }
            for port in &new.remembered {
                port.add(&mut batch, &rules.table)?;
            }
            for (set, elements) in gone.elements {
                batch.delete_elements(&rules.table, &set.set(), elements);
            }
            for (set, elements) in new.elements {
                batch.add_elements(&rules.table, &set.set(), elements);
            }
            for list in gone.lists {
                delete_list(&mut batch, &rules.table, list.chain()?);
            }
            for port in gone.remembered {
                port.delete(&mut batch, &rules.table)?;
            }
        }
        Ok(batch)
    }

    /// Reads the nftables tables from the kernel, and returns the batch of changes that makes them hold exactly
    /// `whole`. A table whose rules differ from this release's is deleted and made anew in the same transaction, so
    /// that no packet passes half of it.
    ///
    /// # Errors
    /// Returns [`NatError`] if the kernel's tables can't be read, or if a name is too long for nf_tables.
    pub fn settle(
        &self,
        connection: &mut Connection,
        whole: &BTreeSet<Held>,
    ) -> Result<Batch, NatError> {
        let mut batch = Batch::new();
        for rules in &self.tables {
            let mut wanted = Parts::default();
            wanted.take(rules.table.family, whole);
            match observe(rules, connection, &wanted)? {
                Some(found) => batch.append(differing(&rules.table, wanted, found)?),
                None => {
                    tracing::info!(table = %rules.table, "rules are missing or changed: made anew");
                    batch.append(make(rules, wanted)?);
                }
            }
        }
        Ok(batch)
    }
}

/// The elements, chains and sets that a table holds, each kind by itself.
#[derive(Default)]
struct Parts {
    elements: BTreeMap<NftSet, Vec<Element>>,
    lists: Vec<ClientList>,
    remembered: Vec<Remembered>,
}

impl Parts {
    fn take(&mut self, family: Family, held: &BTreeSet<Held>) {
        for one in held {
            match one {
                Held::Element(set, element) if set.family() == family => {
                    self.elements.entry(*set).or_default().push(element.clone());
                }
                Held::Clients(list) if family == Family::Inet => self.lists.push(list.clone()),
                Held::Remembered(port) if family == Family::Bridge => {
                    self.remembered.push(port.clone());
                }
                _ => {}
            }
        }
    }
}

fn add_list(batch: &mut Batch, table: &Table, list: &ClientList) -> Result<(), NameError> {
    let chain = list.chain()?;
    batch.add_chain(table, Chain::regular(chain.clone()));
    for rule in list.rules()? {
        batch.add_rule(table, &chain, rule);
    }
    Ok(())
}

fn delete_list(batch: &mut Batch, table: &Table, chain: Name) {
    batch.push(Operation::FlushChain(table.clone(), chain.clone()));
    batch.push(Operation::DeleteChain(table.clone(), chain));
}

/// Returns the batch that makes the whole table, in place of an existing one.
fn make(rules: &Rules, wanted: Parts) -> Result<Batch, NameError> {
    let table = &rules.table;
    let mut batch = Batch::new();
    batch.replace_table(table);
    for set in rules.sets() {
        batch.add_set(table, &set);
    }
    for (chain, rules) in &rules.chains {
        batch.add_chain(table, chain.clone());
        for rule in rules {
            batch.add_rule(table, &chain.name, rule.clone());
        }
    }
    for list in &wanted.lists {
        add_list(&mut batch, table, list)?;
    }
    for port in &wanted.remembered {
        port.add(&mut batch, table)?;
    }
    for (set, elements) in wanted.elements {
        batch.add_elements(table, &set.set(), elements);
    }
    Ok(batch)
}

fn differing(table: &Table, wanted: Parts, found: FoundRuleset) -> Result<Batch, NameError> {
    let mut batch = Batch::new();
    let mut lists = found.lists;
    for list in &wanted.lists {
        if !lists.remove(&list.chain()?) {
            add_list(&mut batch, table, list)?;
        }
    }
    let mut remembered = found.remembered;
    for port in &wanted.remembered {
        if !remembered.remove(port) {
            port.add(&mut batch, table)?;
        }
    }
    let (mut gone, mut new) = (Batch::new(), Batch::new());
    let mut wanted = wanted.elements;
    for (set, found) in found.elements {
        let wanted: BTreeSet<Element> = wanted
            .remove(&set)
            .unwrap_or_default()
            .into_iter()
            .collect();
        let excess: Vec<_> = found.difference(&wanted).cloned().collect();
        let missing: Vec<_> = wanted.difference(&found).cloned().collect();
        if !excess.is_empty() {
            gone.delete_elements(table, &set.set(), excess);
        }
        if !missing.is_empty() {
            new.add_elements(table, &set.set(), missing);
        }
    }
    batch.append(gone);
    batch.append(new);
    for chain in lists {
        delete_list(&mut batch, table, chain);
    }
    for port in remembered {
        port.delete(&mut batch, table)?;
    }
    Ok(batch)
}

/// Reads the table from the kernel; returns `None` if its rules differ from this release's.
fn observe(
    rules: &Rules,
    connection: &mut Connection,
    wanted: &Parts,
) -> Result<Option<FoundRuleset>, NatError> {
    match read(rules, connection, wanted) {
        // Another program put something there that we have no words for, or removed it just now.
        Err(NatError::Read(ReadError::Decode(_))) => Ok(None),
        Err(NatError::Read(error)) if error.is_missing() => Ok(None),
        read => read,
    }
}

fn read(
    rules: &Rules,
    connection: &mut Connection,
    wanted: &Parts,
) -> Result<Option<FoundRuleset>, NatError> {
    let table = &rules.table;
    if !connection.tables()?.contains(table) {
        return Ok(None);
    }
    let mut own = remembered::Found::default();
    let mut sets: BTreeSet<_> = connection
        .sets(table)?
        .into_iter()
        .map(|one| one.value)
        .collect();
    sets.retain(|set| !set.as_ref().is_some_and(|set| own.take_set(set)));
    if sets != rules.sets().map(Some).collect() {
        return Ok(None);
    }
    let Some(lists) = chains(rules, connection, wanted, &mut own)? else {
        return Ok(None);
    };
    let Some(remembered) = own.whole()? else {
        return Ok(None);
    };
    let mut found = FoundRuleset {
        lists,
        remembered,
        ..FoundRuleset::default()
    };
    for set in NftSet::all().filter(|set| set.family() == table.family) {
        let elements = connection.elements(table, &set.set())?;
        found.elements.insert(set, elements);
    }
    Ok(Some(found))
}

/// Returns the client lists whose chains exist; `None` if a chain differs from this release's. Chains of ports are
/// added to `own`. Rules are known by their comments, which contain a checksum.
fn chains(
    rules: &Rules,
    connection: &mut Connection,
    wanted: &Parts,
    own: &mut remembered::Found,
) -> Result<Option<BTreeSet<Name>>, NatError> {
    let mut comments: BTreeMap<Name, Vec<Option<String>>> = BTreeMap::new();
    for FoundRule { chain, comment, .. } in connection.rules(&rules.table)? {
        comments.entry(chain).or_default().push(comment);
    }
    let same = |chain: &Name, wanted: &[Rule]| {
        let found = comments.get(chain).map_or(&[][..], Vec::as_slice);
        let wanted = wanted.iter().map(|rule| rule.comment.as_ref());
        let wanted = wanted.map(|comment| comment.map(Comment::as_str));
        found.iter().map(Option::as_deref).eq(wanted)
    };
    let mut constant: BTreeMap<_, _> = rules
        .chains
        .iter()
        .map(|(chain, rules)| (chain.clone(), rules))
        .collect();
    let mut lists = BTreeMap::new();
    for list in &wanted.lists {
        lists.insert(list.chain()?, list.rules()?);
    }
    let mut found_lists = BTreeSet::new();
    for found in connection.chains(&rules.table)? {
        let Some(chain) = found.value else {
            return Ok(None);
        };
        let its = comments.get(&chain.name).map_or(&[][..], Vec::as_slice);
        if own.take_chain(&chain, its) {
            continue;
        }
        let is_list = chain.base.is_none() && ClientList::is_chain(&chain.name);
        let stands = match (constant.remove(&chain), lists.get(&chain.name)) {
            (Some(rules), _) => same(&chain.name, rules),
            (None, Some(rules)) => is_list && same(&chain.name, rules),
            (None, None) => is_list,
        };
        if !stands {
            return Ok(None);
        }
        if is_list {
            found_lists.insert(chain.name);
        }
    }
    Ok(constant.is_empty().then_some(found_lists))
}
