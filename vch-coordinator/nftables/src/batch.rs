//! A batch: the operations of one transaction, as a plain value.

use std::fmt;

use crate::name::Name;
use crate::object::{Chain, Table};
use crate::rule::Rule;
use crate::set::{Element, Set};

/// A list of operations on nf_tables, which the kernel carries out in this order, all together or
/// not at all ([`Connection::commit`](crate::Connection::commit)).
///
/// `Display` writes each operation on a line of its own, in the syntax that `nft -f` reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    operations: Vec<Operation>,
}

/// One change of nf_tables, as a part of a [`Batch`]. Each names the table that it changes. If the kernel refuses one
/// operation, it carries out none of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Creates the table unless it exists. An existing table that is switched off (`flags dormant`) is switched on.
    AddTable(Table),
    /// Deletes the table with its chains, sets and rules. The kernel refuses a table that does not exist.
    DeleteTable(Table),
    /// Deletes all rules of the table; its chains and sets remain. The kernel refuses a table that does not exist.
    FlushTable(Table),
    /// Creates the chain in the table unless it exists. An existing base chain takes over the policy; the kernel
    /// refuses another type, hook or priority than it has.
    AddChain(Table, Chain),
    /// Deletes the chain with this name and its rules. The kernel refuses a chain that does not exist, or to which a
    /// rule or an element of a map jumps.
    DeleteChain(Table, Name),
    /// Deletes all rules of the chain with this name; the chain remains. The kernel refuses a chain that does not
    /// exist.
    FlushChain(Table, Name),
    /// Creates the set or map in the table unless it exists. An existing one stays as it is; the kernel refuses other
    /// types than it has (old kernels leave it as it is).
    AddSet(Table, Set),
    /// Deletes the set or map with this name and its elements. The kernel refuses one that does not exist, or that a
    /// rule uses.
    DeleteSet(Table, Name),
    /// Deletes all elements of the set or map with this name; the set remains.
    FlushSet(Table, Name),
    /// Adds elements to the set or map, which must exist. An element that exists with the same data stays as it is. The
    /// kernel refuses one that exists with other data; that must be deleted earlier in the same batch.
    AddElements(Table, Set, Vec<Element>),
    /// Deletes elements of the set or map. The kernel refuses an element that does not exist.
    DeleteElements(Table, Set, Vec<Element>),
    /// Adds the rule at the start or end of the chain with this name, which must exist. An equal rule that exists
    /// already stays beside the new one.
    AddRule(Table, Name, Position, Rule),
    /// Deletes the rule with this handle (the kernel's number of the rule) from the chain with this name. The kernel
    /// refuses a handle that does not exist there.
    DeleteRule(Table, Name, u64),
}

/// Where in a chain a new rule is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Behind all other rules.
    End,
    /// Before all other rules.
    Start,
}

impl Batch {
    /// Creates an empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an operation at the end.
    pub fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// Moves all operations of `other` behind those of this batch.
    pub fn append(&mut self, mut other: Self) {
        self.operations.append(&mut other.operations);
    }

    /// Returns the operations in order. Errors name an operation by its index in this list
    /// ([`RefusedOperation`](crate::RefusedOperation)).
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Returns whether the batch has no operations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Appends [`Operation::AddTable`]: creates the table unless it exists. An existing table that is switched off
    /// (`flags dormant`) is switched on.
    pub fn add_table(&mut self, table: &Table) {
        self.push(Operation::AddTable(table.clone()));
    }

    /// Appends [`Operation::DeleteTable`]: deletes the table with all its content. The kernel refuses a table that does
    /// not exist.
    pub fn delete_table(&mut self, table: &Table) {
        self.push(Operation::DeleteTable(table.clone()));
    }

    /// Appends the operations add, delete and add, which leave an empty table, whether or not it exists before. An
    /// existing table loses its chains, sets and rules.
    pub fn replace_table(&mut self, table: &Table) {
        self.add_table(table);
        self.delete_table(table);
        self.add_table(table);
    }

    /// Appends [`Operation::AddChain`]: creates the chain unless it exists. An existing base chain takes over the
    /// policy; the kernel refuses another type, hook or priority than it has.
    pub fn add_chain(&mut self, table: &Table, chain: Chain) {
        self.push(Operation::AddChain(table.clone(), chain));
    }

    /// Appends [`Operation::AddSet`]: creates the set or map, without elements, unless it exists. The kernel refuses
    /// other types than an existing one has.
    pub fn add_set(&mut self, table: &Table, set: &Set) {
        self.push(Operation::AddSet(table.clone(), set.clone()));
    }

    /// Appends [`Operation::AddElements`]: adds elements to `set`, a set or map that exists then. An element that
    /// exists with the same data stays as it is; the kernel refuses one that exists with other data.
    pub fn add_elements(&mut self, table: &Table, set: &Set, elements: Vec<Element>) {
        self.push(Operation::AddElements(table.clone(), set.clone(), elements));
    }

    /// Appends [`Operation::DeleteElements`]: deletes elements of `set`, a set or map. The kernel refuses an element
    /// that does not exist.
    pub fn delete_elements(&mut self, table: &Table, set: &Set, elements: Vec<Element>) {
        self.push(Operation::DeleteElements(
            table.clone(),
            set.clone(),
            elements,
        ));
    }

    /// Appends [`Operation::AddRule`]: adds the rule at the end of the chain with this name. The chain must exist by
    /// then, for example by an earlier operation of this batch.
    pub fn add_rule(&mut self, table: &Table, chain: &Name, rule: Rule) {
        self.push(Operation::AddRule(
            table.clone(),
            chain.clone(),
            Position::End,
            rule,
        ));
    }

    /// Appends [`Operation::DeleteRule`]: deletes the rule with this handle from the chain with this name. The handle
    /// is the kernel's number of the rule, which [`FoundRule::handle`](crate::FoundRule::handle) has.
    pub fn delete_rule(&mut self, table: &Table, chain: &Name, handle: u64) {
        self.push(Operation::DeleteRule(table.clone(), chain.clone(), handle));
    }
}

impl Extend<Operation> for Batch {
    fn extend<I: IntoIterator<Item = Operation>>(&mut self, operations: I) {
        self.operations.extend(operations);
    }
}

impl FromIterator<Operation> for Batch {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self {
            operations: operations.into_iter().collect(),
        }
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for operation in &self.operations {
            writeln!(f, "{operation}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddTable(table) => write!(f, "add table {table}"),
            Self::DeleteTable(table) => write!(f, "delete table {table}"),
            Self::FlushTable(table) => write!(f, "flush table {table}"),
            Self::AddChain(table, Chain { name, base: None }) => {
                write!(f, "add chain {table} {name}")
            }
            Self::AddChain(
                table,
                Chain {
                    name,
                    base: Some(base),
                },
            ) => write!(f, "add chain {table} {name} {{ {base} }}"),
            Self::DeleteChain(table, name) => write!(f, "delete chain {table} {name}"),
            Self::FlushChain(table, name) => write!(f, "flush chain {table} {name}"),
            Self::AddSet(table, set) => write!(f, "add {} {table} {} {set}", set.kind(), set.name),
            Self::DeleteSet(table, name) => write!(f, "delete set {table} {name}"),
            Self::FlushSet(table, name) => write!(f, "flush set {table} {name}"),
            Self::AddElements(table, set, elements) => {
                write_elements(f, "add", table, set, elements)
            }
            Self::DeleteElements(table, set, elements) => {
                write_elements(f, "delete", table, set, elements)
            }
            Self::AddRule(table, chain, Position::End, rule) => {
                write!(f, "add rule {table} {chain} {rule}")
            }
            Self::AddRule(table, chain, Position::Start, rule) => {
                write!(f, "insert rule {table} {chain} {rule}")
            }
            Self::DeleteRule(table, chain, handle) => {
                write!(f, "delete rule {table} {chain} handle {handle}")
            }
        }
    }
}

fn write_elements(
    f: &mut fmt::Formatter<'_>,
    verb: &str,
    table: &Table,
    set: &Set,
    elements: &[Element],
) -> fmt::Result {
    write!(f, "{verb} element {table} {} {{ ", set.name)?;
    for (at, element) in elements.iter().enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        write!(f, "{separator}{element}")?;
    }
    f.write_str(" }")
}

#[cfg(test)]
mod tests;
