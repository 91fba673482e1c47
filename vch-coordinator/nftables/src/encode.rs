//! Encodes a batch as the bytes of one transaction.

mod elements;

use elements::write_element;

use crate::abi::{self, chain, data, element, hook, message, netlink, nfnetlink, rule, set, table};
use crate::batch::{Batch, Operation, Position};
use crate::compile::{RuleError, write_rule};
use crate::datum::DataType;
use crate::object::{Base, Chain, Hook, Table};
use crate::rule::Rule;
use crate::set::{Dynamic, Element, ElementError, MapData, Set, joined_length};
use crate::wire::{Header, Writer};

/// The reason why an operation of a batch can't be written as a message to the kernel. It is found before anything is
/// sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A statement of a rule can't be written, for example because it compares a field with a value of another type.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A set has a key or data of an impossible length, or an element does not have the types of its set.
    #[error(transparent)]
    Element(#[from] ElementError),
    /// The chain's hook does not exist in tables of this family.
    #[error("chain {chain}: family {} has no hook {hook}", .table.family)]
    Hook {
        /// The chain's name.
        chain: crate::Name,
        /// The chain's table.
        table: Table,
        /// The hook that the table's family lacks.
        hook: Hook,
    },
    /// A rule's statements need more than 64 KiB, the longest attribute of netlink.
    #[error("a rule has {statements} statements, more than netlink can carry: split it")]
    RuleTooLong {
        /// The number of the rule's statements.
        statements: usize,
    },
}

/// The bytes of a transaction, and the operation that each message came from.
pub(crate) struct Encoded {
    /// The messages of the transaction, one behind the other.
    pub writer: Writer,
    /// The index of the operation of the message with sequence number `first_sequence` + 1 + index.
    pub origins: Vec<usize>,
    /// The sequence number of the transaction's first message, its begin.
    pub first_sequence: u32,
}

impl Encoded {
    pub(crate) fn last_sequence(&self) -> u32 {
        let messages = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
        self.first_sequence.wrapping_add(messages)
    }

    /// Returns the index of the operation whose message had this sequence number; `None` for the
    /// transaction's begin and end.
    pub(crate) fn origin(&self, sequence: u32) -> Option<usize> {
        let offset = sequence.wrapping_sub(self.first_sequence).checked_sub(1)?;
        self.origins.get(usize::try_from(offset).ok()?).copied()
    }
}

/// Longest list of elements in one message: under the 64 KiB of an attribute by more than the
/// longest element (two keys of 64 bytes, data with a name of 255, and their headers).
const ELEMENT_LIST_MAX: usize = 64_000;

/// Encodes all operations between a transaction's begin and end. The last message asks for an
/// answer; the others are answered only if they are refused.
///
/// # Errors
/// Returns the index of the first operation that can't be encoded, with the reason.
pub(crate) fn encode(batch: &Batch, first_sequence: u32) -> Result<Encoded, (usize, EncodeError)> {
    let mut encoder = Encoder {
        encoded: Encoded {
            writer: Writer::default(),
            origins: Vec::new(),
            first_sequence,
        },
        last_message: None,
        operation: 0,
    };
    let begin = Header::bracket(nfnetlink::MSG_BATCH_BEGIN, first_sequence);
    encoder.encoded.writer.message(begin, |_| {});
    for (at, operation) in batch.operations().iter().enumerate() {
        encoder.operation = at;
        encoder
            .operation(operation)
            .map_err(|problem| (at, problem))?;
    }
    if let Some(start) = encoder.last_message {
        encoder.encoded.writer.add_flag(start, netlink::F_ACK);
    }
    let end = encoder.encoded.last_sequence().wrapping_add(1);
    let end = Header::bracket(nfnetlink::MSG_BATCH_END, end);
    encoder.encoded.writer.message(end, |_| {});
    Ok(encoder.encoded)
}

struct Encoder {
    encoded: Encoded,
    operation: usize,
    /// The offset of the last message, the one that asks for an answer.
    last_message: Option<usize>,
}

impl Encoder {
    fn operation(&mut self, operation: &Operation) -> Result<(), EncodeError> {
        match operation {
            Operation::AddTable(table) => {
                self.message(message::NEW_TABLE, netlink::F_CREATE, table, |w| {
                    w.text(table::NAME, table.name.as_str());
                    // No flag: neither dormant nor owned by this process's socket.
                    w.u32(table::FLAGS, 0);
                });
            }
            Operation::DeleteTable(table) => {
                self.message(message::DELETE_TABLE, 0, table, |w| {
                    w.text(table::NAME, table.name.as_str());
                });
            }
            Operation::FlushTable(table) => {
                self.message(message::DELETE_RULE, 0, table, |w| {
                    w.text(rule::TABLE, table.name.as_str());
                });
            }
            Operation::AddChain(table, chain) => self.add_chain(table, chain)?,
            Operation::DeleteChain(table, name) => {
                self.message(message::DELETE_CHAIN, 0, table, |w| {
                    w.text(chain::TABLE, table.name.as_str());
                    w.text(chain::NAME, name.as_str());
                });
            }
            Operation::FlushChain(table, name) => {
                self.message(message::DELETE_RULE, 0, table, |w| {
                    w.text(rule::TABLE, table.name.as_str());
                    w.text(rule::CHAIN, name.as_str());
                });
            }
            Operation::AddSet(table, set) => self.add_set(table, set)?,
            Operation::DeleteSet(table, name) => {
                self.message(message::DELETE_SET, 0, table, |w| {
                    w.text(set::TABLE, table.name.as_str());
                    w.text(set::NAME, name.as_str());
                });
            }
            Operation::FlushSet(table, name) => {
                self.message(message::DELETE_ELEMENT, 0, table, |w| {
                    w.text(element::TABLE, table.name.as_str());
                    w.text(element::SET, name.as_str());
                });
            }
            Operation::AddElements(table, set, elements) => {
                let create = netlink::F_CREATE;
                self.elements(message::NEW_ELEMENT, create, table, set, elements)?;
            }
            Operation::DeleteElements(table, set, elements) => {
                self.elements(message::DELETE_ELEMENT, 0, table, set, elements)?;
            }
            Operation::AddRule(table, chain, position, rule) => {
                self.add_rule(table, chain.as_str(), *position, rule)?;
            }
            Operation::DeleteRule(table, chain, handle) => {
                self.message(message::DELETE_RULE, 0, table, |w| {
                    w.text(rule::TABLE, table.name.as_str());
                    w.text(rule::CHAIN, chain.as_str());
                    w.u64(rule::HANDLE, *handle);
                });
            }
        }
        Ok(())
    }

    fn message(&mut self, kind: u8, flags: u16, table: &Table, body: impl FnOnce(&mut Writer)) {
        self.last_message = Some(self.encoded.writer.bytes().len());
        self.encoded.origins.push(self.operation);
        let sequence = self.encoded.last_sequence();
        let header = Header::nf_tables(kind, flags, sequence, table.family.number());
        self.encoded.writer.message(header, body);
    }

    fn add_chain(&mut self, table: &Table, chain: &Chain) -> Result<(), EncodeError> {
        let hook = match &chain.base {
            None => None,
            Some(base) => {
                let number = base.hook.number(table.family);
                let number = number.ok_or_else(|| EncodeError::Hook {
                    chain: chain.name.clone(),
                    table: table.clone(),
                    hook: base.hook,
                })?;
                Some((base, number))
            }
        };
        self.message(message::NEW_CHAIN, netlink::F_CREATE, table, |w| {
            w.text(chain::TABLE, table.name.as_str());
            w.text(chain::NAME, chain.name.as_str());
            if let Some((base, number)) = hook {
                write_base(w, base, number);
            }
        });
        Ok(())
    }

    fn add_set(&mut self, table: &Table, set: &Set) -> Result<(), EncodeError> {
        set.check()?;
        // Names this set inside the transaction; rules of ours name it by its name.
        let id = u32::try_from(self.encoded.origins.len()).unwrap_or(u32::MAX);
        let concatenated_ranges = set.interval && set.key.len() > 1;
        let expires = matches!(set.dynamic, Some(Dynamic::Expiring(_)));
        let mut flags = 0;
        for (condition, flag) in [
            (set.interval, set::F_INTERVAL),
            (set.data.is_some(), set::F_MAP),
            (concatenated_ranges, set::F_CONCAT),
            (expires, set::F_TIMEOUT),
            (set.dynamic.is_some(), set::F_EVAL),
        ] {
            flags |= if condition { flag } else { 0 };
        }
        self.message(message::NEW_SET, netlink::F_CREATE, table, |w| {
            w.text(set::TABLE, table.name.as_str());
            w.text(set::NAME, set.name.as_str());
            w.u32(set::FLAGS, flags);
            w.u32(set::KEY_TYPE, DataType::number(&set.key));
            w.u32(set::KEY_LEN, length_u32(joined_length(&set.key)));
            match &set.data {
                None => {}
                Some(MapData::Verdict) => w.u32(set::DATA_TYPE, data::TYPE_VERDICT),
                Some(MapData::Values(types)) => {
                    w.u32(set::DATA_TYPE, DataType::number(types));
                    w.u32(set::DATA_LEN, length_u32(joined_length(types)));
                }
            }
            w.u32(set::ID, id);
            if concatenated_ranges {
                w.nested(set::DESC, |w| write_fields(w, &set.key));
            }
            if let Some(Dynamic::Expiring(size) | Dynamic::Counting(size)) = set.dynamic {
                w.nested(set::DESC, |w| w.u32(set::DESC_SIZE, size));
            }
            w.raw(set::USERDATA, &order_records(set));
        });
        Ok(())
    }

    /// Splits the elements over as many messages as they need.
    fn elements(
        &mut self,
        kind: u8,
        flags: u16,
        table: &Table,
        set: &Set,
        elements: &[Element],
    ) -> Result<(), EncodeError> {
        set.check()?;
        for element in elements {
            set.check_element(element)?;
        }
        let mut rest = elements.iter().peekable();
        while rest.peek().is_some() {
            let mut list = Writer::default();
            while list.bytes().len() < ELEMENT_LIST_MAX
                && let Some(element) = rest.next()
            {
                write_element(&mut list, set, element);
            }
            self.message(kind, flags, table, |w| {
                w.text(element::TABLE, table.name.as_str());
                w.text(element::SET, set.name.as_str());
                w.raw(NESTED_ELEMENTS, list.bytes());
            });
        }
        Ok(())
    }

    fn add_rule(
        &mut self,
        table: &Table,
        chain: &str,
        position: Position,
        rule: &Rule,
    ) -> Result<(), EncodeError> {
        let mut expressions = Writer::default();
        write_rule(&mut expressions, table.family, rule)?;
        let too_long = expressions.bytes().len() + 4 > usize::from(u16::MAX);
        if too_long || expressions.is_too_long() {
            let statements = rule.statements.len();
            return Err(EncodeError::RuleTooLong { statements });
        }
        let append = match position {
            Position::End => netlink::F_APPEND,
            Position::Start => 0,
        };
        self.message(message::NEW_RULE, netlink::F_CREATE | append, table, |w| {
            w.text(rule::TABLE, table.name.as_str());
            w.text(rule::CHAIN, chain);
            w.raw(NESTED_EXPRESSIONS, expressions.bytes());
            if let Some(comment) = &rule.comment {
                w.raw(rule::USERDATA, &comment_record(comment.as_str()));
            }
        });
        Ok(())
    }
}

/// The lists are written apart, so that their length is known: here is the flag they need.
const NESTED_ELEMENTS: u16 = element::ELEMENTS | netlink_packet_core::NLA_F_NESTED;
const NESTED_EXPRESSIONS: u16 = rule::EXPRESSIONS | netlink_packet_core::NLA_F_NESTED;

fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn write_base(w: &mut Writer, base: &Base, number: u32) {
    w.nested(chain::HOOK, |w| {
        w.u32(hook::NUMBER, number);
        w.raw(hook::PRIORITY, &base.priority.to_be_bytes());
    });
    w.u32(chain::POLICY, base.policy as u32);
    w.text(chain::TYPE, base.kind.word());
}

fn write_fields(w: &mut Writer, types: &[DataType]) {
    w.nested(set::DESC_CONCAT, |w| {
        for data_type in types {
            w.nested(abi::LIST_ELEM, |w| {
                w.u32(set::FIELD_LEN, length_u32(data_type.length()));
            });
        }
    });
}

/// Returns nft's records of byte order, without which nft can't show interface names and marks.
fn order_records(set: &Set) -> Vec<u8> {
    let record = |kind, types: &[DataType]| {
        let order = match types {
            [one] if one.is_host_order() => set::ORDER_HOST,
            [_] => set::ORDER_NETWORK,
            _ => set::ORDER_NONE,
        };
        let mut record = vec![kind, 4];
        record.extend_from_slice(&order.to_ne_bytes());
        record
    };
    let mut records = record(set::USERDATA_KEY_ORDER, &set.key);
    if let Some(MapData::Values(types)) = &set.data {
        records.extend(record(set::USERDATA_DATA_ORDER, types));
    }
    records
}

/// Returns nft's record of a comment in a rule's user data: kind, length, text with its NUL.
fn comment_record(comment: &str) -> Vec<u8> {
    // A comment has at most 127 bytes.
    let length = u8::try_from(comment.len() + 1).unwrap_or(u8::MAX);
    let mut record = vec![rule::USERDATA_COMMENT, length];
    record.extend_from_slice(comment.as_bytes());
    record.push(0);
    record
}

#[cfg(test)]
mod tests;
