//! Sets and maps, and their elements.

use std::fmt;
use std::net::IpAddr;

use crate::abi;
use crate::datum::{DataType, Datum, write_concatenation};
use crate::name::Name;
use crate::rule::Verdict;

/// A set of keys, or a map from keys to data, which rules can look packets up in. This value makes no set in the
/// kernel; a [`Batch`](crate::Batch) does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set {
    /// The name, unique among the sets and maps of a table.
    pub name: Name,
    /// The types of a key: one, or several for a key of several fields.
    pub key: Vec<DataType>,
    /// The kind of data of a map; `None` for a set.
    pub data: Option<MapData>,
    /// Whether the keys are ranges; `false` if each key is exact. A transaction that changes a set of ranges takes time
    /// in proportion to its size (see the crate's documentation).
    pub interval: bool,
    /// The way in which packets add elements ([`crate::Statement::Update`], [`crate::Statement::FlowsOver`]); `None` if
    /// only batches add them.
    pub dynamic: Option<Dynamic>,
}

/// The way in which packets add elements to a set. The number is the greatest number of elements that the set can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dynamic {
    /// A packet that passes a rule with [`crate::Statement::Update`] adds an element, which expires after the time in
    /// that statement. The set has at most this many elements.
    Expiring(u32),
    /// A packet that passes a rule with [`crate::Statement::FlowsOver`] adds an element, which counts the flows with
    /// its key and is removed at 0. The set has at most this many elements. They do not expire: the kernel does not
    /// allow it (`nft_set_elem_expr_alloc` in nf_tables_api.c).
    Counting(u32),
}

/// The kind of data that a map has for its keys: values or verdicts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MapData {
    /// One or several values for each key, of these types in this order.
    Values(Vec<DataType>),
    /// One verdict for each key, such as accept or a jump.
    Verdict,
}

impl Set {
    /// Returns the definition of a set of exact keys (no ranges), which batches fill. `key` has the types of the fields
    /// of a key.
    #[must_use]
    pub fn new(name: Name, key: impl Into<Vec<DataType>>) -> Self {
        Self {
            name,
            key: key.into(),
            data: None,
            interval: false,
            dynamic: None,
        }
    }

    /// Returns the definition of a map from exact keys (no ranges) to values. `key` and `data` have the types of their
    /// fields.
    #[must_use]
    pub fn map(name: Name, key: impl Into<Vec<DataType>>, data: impl Into<Vec<DataType>>) -> Self {
        Self {
            data: Some(MapData::Values(data.into())),
            ..Self::new(name, key)
        }
    }

    /// Returns the definition of a map from exact keys (no ranges) to verdicts. `key` has the types of the fields of a
    /// key.
    #[must_use]
    pub fn verdict_map(name: Name, key: impl Into<Vec<DataType>>) -> Self {
        Self {
            data: Some(MapData::Verdict),
            ..Self::new(name, key)
        }
    }

    /// Returns the same definition of a set or map, but with ranges as keys ([`Set::interval`]).
    #[must_use]
    pub fn with_intervals(mut self) -> Self {
        self.interval = true;
        self
    }

    /// Returns the same definition, but of a set to which packets add elements that expire ([`Dynamic::Expiring`]).
    /// `size` is the greatest number of elements.
    #[must_use]
    pub fn dynamic(mut self, size: u32) -> Self {
        self.dynamic = Some(Dynamic::Expiring(size));
        self
    }

    /// Returns the same definition, but of a set whose elements count flows ([`Dynamic::Counting`]). `size` is the
    /// greatest number of elements.
    #[must_use]
    pub fn counting(mut self, size: u32) -> Self {
        self.dynamic = Some(Dynamic::Counting(size));
        self
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.data.is_some() { "map" } else { "set" }
    }

    /// Checks that the types fit the kernel's registers.
    ///
    /// # Errors
    /// Returns [`ElementError::Length`] if they do not.
    pub(crate) fn check(&self) -> Result<(), ElementError> {
        let data = match &self.data {
            Some(MapData::Values(types)) => types.as_slice(),
            Some(MapData::Verdict) | None => self.key.as_slice(),
        };
        for types in [self.key.as_slice(), data] {
            let length = joined_length(types);
            if !(1..=abi::KEY_MAX).contains(&length) {
                return Err(ElementError::Length {
                    set: self.name.clone(),
                    length,
                });
            }
        }
        Ok(())
    }

    /// Checks that an element has this set's types.
    ///
    /// # Errors
    /// Returns [`ElementError::Mismatch`] if it does not.
    pub(crate) fn check_element(&self, element: &Element) -> Result<(), ElementError> {
        let wrong = |problem| ElementError::Mismatch {
            set: self.name.clone(),
            element: element.to_string(),
            problem,
        };
        let (first, last) = element.key.bounds();
        if !same_types(first, &self.key) || !same_types(last, &self.key) {
            return Err(wrong("its key has other types than the set's"));
        }
        match (&element.key, self.interval) {
            (Key::Exact(_), true) => return Err(wrong("the set holds ranges, this is no range")),
            (Key::Range { .. }, false) => return Err(wrong("the set holds no ranges")),
            (Key::Range { first, last }, true) if first.iter().zip(last).any(is_backwards) => {
                return Err(wrong("the range ends before it begins"));
            }
            _ => {}
        }
        match (&element.data, &self.data) {
            (None, None) | (Some(Data::Verdict(_)), Some(MapData::Verdict)) => Ok(()),
            (Some(Data::Values(values)), Some(MapData::Values(types)))
                if same_types(values, types) =>
            {
                Ok(())
            }
            _ => Err(wrong("its data is not of the type that the set has")),
        }
    }
}

fn is_backwards((first, last): (&Datum, &Datum)) -> bool {
    last.bytes() < first.bytes()
}

fn same_types(values: &[Datum], types: &[DataType]) -> bool {
    values
        .iter()
        .map(Datum::data_type)
        .eq(types.iter().copied())
}

/// Returns the length in bytes of such a key or data: one field as it is, several each padded to
/// whole registers.
pub(crate) fn joined_length(types: &[DataType]) -> usize {
    match types {
        [one] => one.length(),
        many => many.iter().map(|one| one.padded_length()).sum(),
    }
}

/// The reason why a set, or an element of it, can't be written as a message to the kernel. It is found before anything
/// is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElementError {
    /// The key or the data of the set has no type, or more than 64 bytes.
    #[error("key and data of {set} must have 1 to 64 bytes each, not {length}: use fewer fields")]
    Length {
        /// The name of the set.
        set: Name,
        /// The length of the key or data in bytes; of several fields, each is rounded up to a multiple of 4.
        length: usize,
    },
    /// The element's key or data does not have the types of its set, its range ends before it begins, or it is a range
    /// in a set of exact keys or the reverse.
    #[error("element {element} does not fit {set}: {problem}")]
    Mismatch {
        /// The name of the set.
        set: Name,
        /// The element, in nft's syntax.
        element: String,
        /// The problem, as an English phrase such as "the set holds no ranges".
        problem: &'static str,
    },
}

/// An element of a set or map: a key, with data if it is a map's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The key: exact values or a range.
    pub key: Key,
    /// The data that a map has for the key; `None` in a set.
    pub data: Option<Data>,
}

/// The key of an element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Exactly these values, one for each field of the key.
    Exact(Vec<Datum>),
    /// All keys whose fields are each between those of `first` and `last`, both included; only in a set with
    /// [`Set::interval`].
    Range {
        /// The lowest value of each field.
        first: Vec<Datum>,
        /// The highest value of each field.
        last: Vec<Datum>,
    },
}

/// The data that a map has for a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// Values, one for each type of the map's data.
    Values(Vec<Datum>),
    /// A verdict, such as accept or a jump.
    Verdict(Verdict),
}

impl Key {
    fn bounds(&self) -> (&[Datum], &[Datum]) {
        match self {
            Self::Exact(key) => (key, key),
            Self::Range { first, last } => (first, last),
        }
    }
}

impl Element {
    /// Returns an element with exactly this key (no range) and without data, for a set. `key` has one value for each
    /// field.
    #[must_use]
    pub fn new(key: impl Into<Vec<Datum>>) -> Self {
        Self {
            key: Key::Exact(key.into()),
            data: None,
        }
    }

    /// Returns an element whose key is the range from `first` to `last`, both included and field by field, without
    /// data. Its set must have [`Set::interval`].
    #[must_use]
    pub fn range(first: impl Into<Vec<Datum>>, last: impl Into<Vec<Datum>>) -> Self {
        Self {
            key: Key::Range {
                first: first.into(),
                last: last.into(),
            },
            data: None,
        }
    }

    /// Returns an element whose key is the range of all addresses in the subnet of `address` with this prefix length,
    /// without data. The host bits of `address` are ignored; a `prefix` longer than the address means the address
    /// alone. Its set must have [`Set::interval`].
    #[must_use]
    pub fn subnet(address: IpAddr, prefix: u8) -> Self {
        match address {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
                let bits = address.to_bits();
                Self::range(
                    [Datum::Ipv4((bits & !host).into())],
                    [Datum::Ipv4((bits | host).into())],
                )
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
                let bits = address.to_bits();
                Self::range(
                    [Datum::Ipv6((bits & !host).into())],
                    [Datum::Ipv6((bits | host).into())],
                )
            }
        }
    }

    /// Returns the same element with these values as its data, for a map to values; data that it had before is
    /// replaced.
    #[must_use]
    pub fn to_values(mut self, data: impl Into<Vec<Datum>>) -> Self {
        self.data = Some(Data::Values(data.into()));
        self
    }

    /// Returns the same element with this verdict as its data, for a map to verdicts; data that it had before is
    /// replaced.
    #[must_use]
    pub fn to_verdict(mut self, verdict: Verdict) -> Self {
        self.data = Some(Data::Verdict(verdict));
        self
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ type ")?;
        write_concatenation(f, &self.key)?;
        match &self.data {
            None => {}
            Some(MapData::Verdict) => f.write_str(" : verdict")?,
            Some(MapData::Values(types)) => {
                f.write_str(" : ")?;
                write_concatenation(f, types)?;
            }
        }
        match (self.interval, self.dynamic) {
            (true, _) => f.write_str("; flags interval; }"),
            (false, None) => f.write_str("; }"),
            (false, Some(Dynamic::Expiring(size))) => {
                write!(f, "; size {size}; flags dynamic,timeout; }}")
            }
            (false, Some(Dynamic::Counting(size))) => {
                write!(f, "; size {size}; flags dynamic; }}")
            }
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Key::Exact(key) => write_concatenation(f, key)?,
            Key::Range { first, last } => {
                let ranges: Vec<_> = first.iter().zip(last).map(Range).collect();
                write_concatenation(f, &ranges)?;
            }
        }
        match &self.data {
            None => Ok(()),
            Some(Data::Verdict(verdict)) => write!(f, " : {verdict}"),
            Some(Data::Values(values)) => {
                f.write_str(" : ")?;
                write_concatenation(f, values)
            }
        }
    }
}

/// Both ends of one field's range.
struct Range<'a>((&'a Datum, &'a Datum));

impl fmt::Display for Range<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.0;
        if first == last {
            return first.fmt(f);
        }
        match prefix_length(&first.bytes(), &last.bytes()) {
            Some(length) if is_address(first) => write!(f, "{first}/{length}"),
            _ => write!(f, "{first}-{last}"),
        }
    }
}

fn is_address(datum: &Datum) -> bool {
    matches!(datum, Datum::Ipv4(_) | Datum::Ipv6(_))
}

/// Returns the length of the prefix that is exactly this range, if one is.
fn prefix_length(first: &[u8], last: &[u8]) -> Option<u32> {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0u128, |n, byte| n << 8 | u128::from(*byte))
    };
    let (first_number, last_number) = (number(first), number(last));
    let host = first_number ^ last_number;
    let whole = host & host.wrapping_add(1) == 0 && first_number & host == 0;
    let bits = u32::try_from(first.len() * 8).ok()?;
    whole.then(|| bits - (u128::BITS - host.leading_zeros()))
}

#[cfg(test)]
mod tests;
