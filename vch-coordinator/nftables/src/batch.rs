//! A batch: the operations of one transaction, as a plain value.

use std::fmt;

use crate::name::Name;
use crate::object::{Chain, Table};
use crate::rule::Rule;
use crate::set::{Element, Set};

/// Operations that the kernel performs all together or not at all, in this order.
///
/// `Display` writes one line an operation, as `nft -f` reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    operations: Vec<Operation>,
}

/// One operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Makes the table unless it is there.
    AddTable(Table),
    /// Deletes the table with all that is in it.
    DeleteTable(Table),
    /// Deletes all rules of the table; its chains and sets stay.
    FlushTable(Table),
    /// Makes the chain unless it is there.
    AddChain(Table, Chain),
    /// Deletes a chain that has no rules and that no rule jumps to.
    DeleteChain(Table, Name),
    /// Deletes the chain's rules.
    FlushChain(Table, Name),
    /// Makes the set or map unless it is there.
    AddSet(Table, Set),
    /// Deletes a set or map that no rule uses, with its elements.
    DeleteSet(Table, Name),
    /// Deletes the set's or map's elements.
    FlushSet(Table, Name),
    /// Adds elements; one that is there already with the same data is left, with other data is
    /// refused (delete it first in the same batch).
    AddElements(Table, Set, Vec<Element>),
    /// Deletes elements; one that is not there is refused.
    DeleteElements(Table, Set, Vec<Element>),
    /// Adds a rule at an end of a chain.
    AddRule(Table, Name, Position, Rule),
    /// Deletes one rule by the handle that the kernel gave it.
    DeleteRule(Table, Name, u64),
}

/// The end of a chain at which a rule is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The rule is added behind all others.
    End,
    /// The rule is added before all others.
    Start,
}

impl Batch {
    /// Makes an empty batch; its commit changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an operation.
    pub fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// Appends all operations of another batch.
    pub fn append(&mut self, mut other: Self) {
        self.operations.append(&mut other.operations);
    }

    /// Returns the operations in order; [`crate::CommitError`] counts them from 0.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Returns whether the batch has no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Appends [`Operation::AddTable`].
    pub fn add_table(&mut self, table: &Table) {
        self.push(Operation::AddTable(table.clone()));
    }

    /// Appends [`Operation::DeleteTable`].
    pub fn delete_table(&mut self, table: &Table) {
        self.push(Operation::DeleteTable(table.clone()));
    }

    /// Appends the operations that leave an empty table, whether the table exists before or not.
    pub fn replace_table(&mut self, table: &Table) {
        self.add_table(table);
        self.delete_table(table);
        self.add_table(table);
    }

    /// Appends [`Operation::AddChain`].
    pub fn add_chain(&mut self, table: &Table, chain: Chain) {
        self.push(Operation::AddChain(table.clone(), chain));
    }

    /// Appends [`Operation::AddSet`].
    pub fn add_set(&mut self, table: &Table, set: &Set) {
        self.push(Operation::AddSet(table.clone(), set.clone()));
    }

    /// Appends [`Operation::AddElements`].
    pub fn add_elements(&mut self, table: &Table, set: &Set, elements: Vec<Element>) {
        self.push(Operation::AddElements(table.clone(), set.clone(), elements));
    }

    /// Appends [`Operation::DeleteElements`].
    pub fn delete_elements(&mut self, table: &Table, set: &Set, elements: Vec<Element>) {
        self.push(Operation::DeleteElements(
            table.clone(),
            set.clone(),
            elements,
        ));
    }

    /// Appends [`Operation::AddRule`] at the end of the chain.
    pub fn add_rule(&mut self, table: &Table, chain: &Name, rule: Rule) {
        self.push(Operation::AddRule(
            table.clone(),
            chain.clone(),
            Position::End,
            rule,
        ));
    }

    /// Appends [`Operation::DeleteRule`].
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
