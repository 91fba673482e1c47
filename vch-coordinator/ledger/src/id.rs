//! Identities: random, never reused, written as Docker writes its IDs.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// The identity of a VCH: random, made once and kept by the store. MAC addresses and the ULA prefix are derived from
/// it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VchId(pub [u8; 16]);

impl fmt::Display for VchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for VchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a whole identity: 64 hexadecimal digits in lower case.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("id `{0}` is malformed: write 64 hexadecimal digits")]
pub struct IdError(String);

/// An identity of a network, container or endpoint: 32 bytes, ordered as their text.
pub trait Id: Copy + Ord + fmt::Display {
    /// Returns the identity of these bytes.
    fn from_bytes(bytes: [u8; 32]) -> Self;
    /// Returns the identity's bytes.
    fn bytes(&self) -> &[u8; 32];
}

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $type([u8; 32]);

        impl $type {
            /// Returns the first 12 hexadecimal digits, as Docker shortens IDs.
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(12);
                text
            }
        }

        impl Id for $type {
            fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            fn bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex(&self.0, f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.short())
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text).map(Self)
            }
        }
    };
}

id!(
    /// Names a network for ever.
    NetworkId
);
id!(
    /// Names a container for ever.
    ContainerId
);
id!(
    /// Names an endpoint, a container's connection to a network, for ever.
    EndpointId
);

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse(text: &str) -> Result<[u8; 32], IdError> {
    match prefix_range(text) {
        Some((low, _)) if text.len() == 64 => Ok(low),
        _ => Err(IdError(text.chars().take(80).collect())),
    }
}

/// Returns the least and the greatest identity whose text begins with `prefix`; `None` if the
/// prefix is empty, too long or not of hexadecimal digits in lower case.
pub(crate) fn prefix_range(prefix: &str) -> Option<([u8; 32], [u8; 32])> {
    if prefix.is_empty() || prefix.len() > 64 {
        return None;
    }
    let (mut low, mut high) = ([0; 32], [0xff; 32]);
    for (index, digit) in prefix.chars().enumerate() {
        // Ids are shown in lower case, and a name may differ from one by case alone.
        let value =
            u8::try_from(digit.to_digit(16).filter(|_| !digit.is_ascii_uppercase())?).ok()?;
        let (shift, kept) = if index % 2 == 0 { (4, 0x0f) } else { (0, 0xf0) };
        for (bound, rest) in [(&mut low, 0), (&mut high, 0xff)] {
            let byte: &mut u8 = bound.get_mut(index / 2)?;
            let others = if index % 2 == 0 {
                rest & kept
            } else {
                *byte & kept
            };
            *byte = (value << shift) | others;
        }
    }
    Some((low, high))
}

/// A reference to an object by its identity, or by a text that is looked up as full ID, then as
/// full name, then as unique prefix of an ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference<I> {
    /// The object with this identity.
    Id(I),
    /// The object that the text names.
    Text(String),
}

impl<I: Id> From<I> for Reference<I> {
    fn from(id: I) -> Self {
        Self::Id(id)
    }
}

impl<I> From<&str> for Reference<I> {
    fn from(text: &str) -> Self {
        // Longer than any name or id: cut, so that an error that repeats it stays short.
        Self::Text(text.chars().take(256).collect())
    }
}

impl<I: Id> fmt::Display for Reference<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => fmt::Display::fmt(id, f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A reference to a network by ID or text.
pub type NetworkRef = Reference<NetworkId>;
/// A reference to a container by ID or text.
pub type ContainerRef = Reference<ContainerId>;

#[cfg(test)]
mod tests;
