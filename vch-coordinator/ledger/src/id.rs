//! Identities of networks, containers and endpoints: random, never reused, and written as Docker writes its IDs.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// The identity of a VCH: 128 random bits. The store makes it once. MAC addresses of containers and the VCH's unique
/// local IPv6 (ULA) prefix are derived from it.
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

/// The error of a text that is not a complete ID: an ID has 64 hexadecimal digits in lower case.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("id `{0}` is malformed: write 64 hexadecimal digits")]
pub struct IdError(String);

/// The ID of a network, a container or an endpoint: 32 bytes, written as 64 hexadecimal digits. IDs are ordered as
/// their texts are. [`NetworkId`], [`ContainerId`] and [`EndpointId`] implement it.
pub trait Id: Copy + Ord + fmt::Display {
    /// Makes an ID of these bytes; any are valid. A new ID is made of random ones.
    fn from_bytes(bytes: [u8; 32]) -> Self;
    /// Returns the ID's 32 bytes.
    fn bytes(&self) -> &[u8; 32];
}

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $type([u8; 32]);

        impl $type {
            /// Returns the first 12 hexadecimal digits of the ID, as Docker shortens IDs.
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
    /// The ID of a network: random, and never given to another network.
    NetworkId
);
id!(
    /// The ID of a container: random, and never given to another container.
    ContainerId
);
id!(
    /// The ID of an endpoint (a container's connection to a network): random, and never given to another endpoint.
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

/// A caller's reference to a network or a container: its ID, or a text. The text is compared with full IDs first, then
/// with names, then with the beginnings of IDs. Only one ID may begin with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference<I> {
    /// The object with this ID.
    Id(I),
    /// The object with this ID, name, or beginning of an ID.
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

/// A caller's reference to a network: its ID, its name, or the beginning of its ID.
pub type NetworkRef = Reference<NetworkId>;
/// A caller's reference to a container: its ID, its name, or the beginning of its ID.
pub type ContainerRef = Reference<ContainerId>;

#[cfg(test)]
mod tests;
