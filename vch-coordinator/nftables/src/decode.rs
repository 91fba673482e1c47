//! Decodes the kernel's messages into values of this crate.

use std::collections::BTreeSet;

use crate::abi::{self, chain, data, element, hook, rule, set, table, verdict};
use crate::datum::{DataType, Datum};
use crate::name::Name;
use crate::object::{Base, Chain, ChainKind, Family, Hook, Policy, Table};
use crate::rule::Verdict;
use crate::set::{Data, Dynamic, Element, Key, MapData, Set, joined_length};
use crate::wire::{Attribute, Attributes, DecodeError, Received};

/// A chain or set that was read from the kernel: its name, and its value if this crate knows all of its properties.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found<T> {
    /// The object's name.
    pub name: Name,
    /// The chain or set; `None` if another program made it with properties that this crate does not know, such as the
    /// hook ingress.
    pub value: Option<T>,
}

/// A rule that was read from the kernel. Its chain, handle and comment are read, its statements are not: a program
/// recognises its own rules by their comments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundRule {
    /// The name of the chain that contains the rule.
    pub chain: Name,
    /// The kernel's number of the rule, by which
    /// [`Operation::DeleteRule`](crate::Operation::DeleteRule) deletes it.
    pub handle: u64,
    /// The rule's comment; `None` if it has none.
    pub comment: Option<String>,
}

/// Decodes a table; `None` for a family that this crate does not know.
///
/// # Errors
/// Returns [`DecodeError`] if the message is too short or has no name.
pub(crate) fn table(message: Received<'_>) -> Result<Option<Table>, DecodeError> {
    let (family, attributes) = message.generic("a table")?;
    let name = attributes.require(table::NAME, "it has no name")?;
    let name = Name::from_kernel(name.text());
    Ok(Family::from_number(family).map(|family| Table { family, name }))
}

/// Returns whether a table is switched off.
///
/// # Errors
/// Returns [`DecodeError`] if the message is too short or an attribute is not valid.
pub(crate) fn is_dormant(message: Received<'_>) -> Result<bool, DecodeError> {
    let (_, attributes) = message.generic("a table")?;
    let flags = attributes.find(table::FLAGS)?.map(Attribute::u32);
    Ok(flags.transpose()?.unwrap_or(0) & table::F_DORMANT != 0)
}

/// Returns the table that a chain, set or rule belongs to: the first attribute of all three.
///
/// # Errors
/// Returns [`DecodeError`] if the message is too short or has no name.
pub(crate) fn owner(message: Received<'_>) -> Result<Option<Table>, DecodeError> {
    table(message)
}

/// Decodes a chain.
///
/// # Errors
/// Returns [`DecodeError`] if the message is too short, has no name, or an attribute is not valid.
pub(crate) fn chain(message: Received<'_>) -> Result<Found<Chain>, DecodeError> {
    let (family, attributes) = message.generic("a chain")?;
    let name = attributes.require(chain::NAME, "it has no name")?;
    let name = Name::from_kernel(name.text());
    let base = match attributes.find(chain::HOOK)? {
        None => Some(None),
        Some(hook) => base(family, attributes, hook.nested())?.map(Some),
    };
    let value = base.map(|base| Chain {
        name: name.clone(),
        base,
    });
    Ok(Found { name, value })
}

fn base(
    family: u8,
    attributes: Attributes<'_>,
    nest: Attributes<'_>,
) -> Result<Option<Base>, DecodeError> {
    let number = nest.require(hook::NUMBER, "its hook has no number")?;
    let number = number.u32()?;
    let priority = nest.require(hook::PRIORITY, "its hook has no priority")?;
    let priority = priority.u32()?.cast_signed();
    let policy = attributes.require(chain::POLICY, "it has no policy")?;
    let policy = policy.u32()?;
    let kind = attributes.require(chain::TYPE, "it has no type")?;
    let hook = Family::from_number(family).and_then(|family| Hook::from_number(family, number));
    let policy = [Policy::Drop, Policy::Accept]
        .into_iter()
        .find(|known| *known as u32 == policy);
    let kind = ChainKind::from_word(kind.text());
    Ok(match (kind, hook, policy) {
        (Some(kind), Some(hook), Some(policy)) => Some(Base {
            kind,
            hook,
            priority,
            policy,
        }),
        _ => None,
    })
}

/// Decodes a set; `None` for the nameless sets inside other programs' rules.
///
/// # Errors
/// Returns [`DecodeError`] if the message is too short or an attribute is not valid.
pub(crate) fn set(message: Received<'_>) -> Result<Option<Found<Set>>, DecodeError> {
    let (_, attributes) = message.generic("a set")?;
    let name = attributes.require(set::NAME, "it has no name")?;
    let name = Name::from_kernel(name.text());
    let number = |kind| -> Result<Option<u32>, DecodeError> {
        attributes.find(kind)?.map(Attribute::u32).transpose()
    };
    let flags = number(set::FLAGS)?.unwrap_or(0);
    if flags & set::F_ANONYMOUS != 0 {
        return Ok(None);
    }
    let filled_by_packets = set::F_TIMEOUT | set::F_EVAL;
    let ours = set::F_INTERVAL | set::F_MAP | set::F_CONCAT;
    let size = match attributes.find(set::DESC)? {
        Some(description) => description.nested().find(set::DESC_SIZE)?,
        None => None,
    };
    let size = size.map(Attribute::u32).transpose()?;
    // A set of packets' elements without a size, or an elements' limit of another's, is not ours.
    let dynamic = match (flags & filled_by_packets, size) {
        (0, None) => Some(None),
        (bits, Some(size)) if bits == filled_by_packets => Some(Some(Dynamic::Expiring(size))),
        (set::F_EVAL, Some(size)) => Some(Some(Dynamic::Counting(size))),
        _ => None,
    };
    let ours = ours | filled_by_packets;
    let key = number(set::KEY_TYPE)?.and_then(DataType::from_number);
    let fits = |types: &[DataType], length: Option<u32>| {
        usize::try_from(length.unwrap_or(0)).ok() == Some(joined_length(types))
    };
    let key_length = number(set::KEY_LEN)?;
    let key = key.filter(|key| flags & !ours == 0 && fits(key, key_length));
    let data_length = number(set::DATA_LEN)?;
    let data = match number(set::DATA_TYPE)? {
        _ if flags & set::F_MAP == 0 => Some(None),
        Some(data::TYPE_VERDICT) => Some(Some(MapData::Verdict)),
        Some(types) => DataType::from_number(types)
            .filter(|types| fits(types, data_length))
            .map(|types| Some(MapData::Values(types))),
        None => None,
    };
    let value = key
        .zip(data)
        .zip(dynamic)
        .map(|((key, data), dynamic)| Set {
            name: name.clone(),
            key,
            data,
            interval: flags & set::F_INTERVAL != 0,
            dynamic,
        });
    Ok(Some(Found { name, value }))
}

/// Decodes a rule.
///
/// # Errors
/// Returns [`DecodeError`] if the message is too short or an attribute is missing or not valid.
pub(crate) fn rule(message: Received<'_>) -> Result<FoundRule, DecodeError> {
    let (_, attributes) = message.generic("a rule")?;
    let chain = attributes.require(rule::CHAIN, "it has no chain")?;
    let handle = attributes.require(rule::HANDLE, "it has no handle")?;
    let userdata = attributes.find(rule::USERDATA)?;
    Ok(FoundRule {
        chain: Name::from_kernel(chain.text()),
        handle: handle.u64()?,
        comment: userdata.and_then(|userdata| comment(userdata.value)),
    })
}

/// Returns the comment in a rule's user data, if it has one: other programs may keep anything
/// there, which is no error.
fn comment(mut userdata: &[u8]) -> Option<String> {
    loop {
        let (header, rest) = userdata.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_at_checked(usize::from(header[1]))?;
        if header[0] == rule::USERDATA_COMMENT {
            let text = value.strip_suffix(&[0]).unwrap_or(value);
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        userdata = rest;
    }
}

/// The elements of one set, collected from the messages of a dump.
pub(crate) struct Elements<'a> {
    set: &'a Set,
    done: BTreeSet<Element>,
    /// Key, whether it begins a range (else one ended before it), data.
    edges: Vec<(Vec<u8>, bool, Option<Data>)>,
}

impl<'a> Elements<'a> {
    pub(crate) fn new(set: &'a Set) -> Self {
        Self {
            set,
            done: BTreeSet::new(),
            edges: Vec::new(),
        }
    }

    /// Decodes the elements of a message and adds them.
    ///
    /// # Errors
    /// Returns [`DecodeError`] if an element is not valid, or is of a kind that only other programs
    /// make.
    pub(crate) fn take(&mut self, message: Received<'_>) -> Result<(), DecodeError> {
        let (_, attributes) = message.generic("an element")?;
        let Some(list) = attributes.find(element::ELEMENTS)? else {
            return Ok(());
        };
        for one in list.nested().iter() {
            let one = one?;
            if one.kind == abi::LIST_ELEM {
                self.element(one.nested())?;
            }
        }
        Ok(())
    }

    fn element(&mut self, attributes: Attributes<'_>) -> Result<(), DecodeError> {
        let flags = match attributes.find(element::FLAGS)? {
            Some(flags) => flags.u32()?,
            None => 0,
        };
        if flags & element::F_CATCHALL != 0 {
            return Err(attributes.error("it matches all: another program made it"));
        }
        let key = attributes.require(element::KEY, "it has no key")?;
        let key = value(key.nested())?;
        if flags & element::F_INTERVAL_END != 0 {
            self.edges.push((key.to_vec(), false, None));
            return Ok(());
        }
        let data = match attributes.find(element::DATA)? {
            Some(data) => Some(element_data(self.set, data.nested())?),
            None => None,
        };
        let concatenated = self.set.key.len() > 1;
        let key = match (self.set.interval, concatenated) {
            (true, false) => {
                self.edges.push((key.to_vec(), true, data));
                return Ok(());
            }
            (true, true) => {
                let end = match attributes.find(element::KEY_END)? {
                    Some(end) => value(end.nested())?,
                    None => key,
                };
                let (first, last) = (split(&self.set.key, key)?, split(&self.set.key, end)?);
                Key::Range { first, last }
            }
            (false, _) => Key::Exact(split(&self.set.key, key)?),
        };
        self.done.insert(Element { key, data });
        Ok(())
    }

    /// Joins the edges of ranges, which the kernel sends in no fixed order, and returns all
    /// elements.
    ///
    /// # Errors
    /// Returns [`DecodeError`] if a key does not fit the set.
    pub(crate) fn finish(mut self) -> Result<BTreeSet<Element>, DecodeError> {
        self.edges.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let mut edges = self.edges.into_iter().peekable();
        while let Some((begin, starts, data)) = edges.next() {
            if !starts {
                continue;
            }
            let last = match edges.peek() {
                Some((end, ..)) => predecessor(end.clone()),
                None => vec![u8::MAX; begin.len()],
            };
            let key = Key::Range {
                first: split(&self.set.key, &begin)?,
                last: split(&self.set.key, &last)?,
            };
            self.done.insert(Element { key, data });
        }
        Ok(self.done)
    }
}

fn value(attributes: Attributes<'_>) -> Result<&[u8], DecodeError> {
    let value = attributes.require(data::VALUE, "it has no value")?;
    Ok(value.value)
}

fn element_data(set: &Set, attributes: Attributes<'_>) -> Result<Data, DecodeError> {
    match &set.data {
        Some(MapData::Values(types)) => Ok(Data::Values(split(types, value(attributes)?)?)),
        Some(MapData::Verdict) => {
            let verdict = attributes.require(data::VERDICT, "it has no verdict")?;
            decode_verdict(verdict.nested()).map(Data::Verdict)
        }
        None => Err(attributes.error("it has data, but its set is no map")),
    }
}

fn decode_verdict(attributes: Attributes<'_>) -> Result<Verdict, DecodeError> {
    let code = attributes.require(data::VERDICT_CODE, "its verdict has no code")?;
    let chain = attributes.find(data::VERDICT_CHAIN)?;
    let chain = chain.map(|chain| Name::from_kernel(chain.text()));
    match (code.u32()?.cast_signed(), chain) {
        (verdict::ACCEPT, None) => Ok(Verdict::Accept),
        (verdict::DROP, None) => Ok(Verdict::Drop),
        (verdict::CONTINUE, None) => Ok(Verdict::Continue),
        (verdict::RETURN, None) => Ok(Verdict::Return),
        (verdict::JUMP, Some(chain)) => Ok(Verdict::Jump(chain)),
        (verdict::GOTO, Some(chain)) => Ok(Verdict::Goto(chain)),
        _ => Err(attributes.error("its verdict is none that is known")),
    }
}

/// Splits joined values, the inverse of joining them: one field as it is, several each padded to
/// whole registers.
fn split(types: &[DataType], bytes: &[u8]) -> Result<Vec<Datum>, DecodeError> {
    let wrong = |problem| DecodeError::new("an element", problem);
    if bytes.len() != joined_length(types) {
        return Err(wrong("its length is not that of its set's types"));
    }
    let mut rest = bytes;
    let mut values = Vec::with_capacity(types.len());
    for data_type in types {
        let taken = match types {
            [one] => one.length(),
            _ => data_type.padded_length(),
        };
        let (field, behind) = rest
            .split_at_checked(taken)
            .ok_or_else(|| wrong("its length is not that of its set's types"))?;
        rest = behind;
        let value = field
            .get(..data_type.length())
            .and_then(|field| Datum::from_bytes(*data_type, field));
        values.push(value.ok_or_else(|| wrong("its bytes are no value of its set's types"))?);
    }
    Ok(values)
}

/// Returns the key before a key; the lowest key stays.
fn predecessor(mut key: Vec<u8>) -> Vec<u8> {
    if key.iter().all(|byte| *byte == 0) {
        return key;
    }
    for byte in key.iter_mut().rev() {
        let (next, borrowed) = byte.overflowing_sub(1);
        *byte = next;
        if !borrowed {
            break;
        }
    }
    key
}

#[cfg(test)]
mod tests;
