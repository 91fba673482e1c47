//! Domain names in the form in which this crate keeps them: in lower case and wire format.

use std::fmt;
use std::str::FromStr;

/// RFC 1035, 2.3.4: 255 octets on the wire, length octets and root included.
const MAX_WIRE: usize = 255;
/// RFC 1035, 2.3.4.
const MAX_LABEL: usize = 63;
/// How much of a refused name an error repeats: enough to find it again.
const MAX_SHOWN: usize = 80;

/// A domain name that can be published: labels of ASCII letters, digits, `-` and `_` at any place, so that names are
/// possible that are no host names (RFC 2181, 11). It is kept in lower case, since case does not distinguish names (RFC
/// 1034, 3.1).
///
/// Parsing accepts and drops a trailing dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

/// The reason why a text is not a valid [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty, or only a dot.
    #[error("a name is empty: give it at least one letter or digit")]
    Empty,
    /// The name is longer than 255 octets on the wire (253 characters of text).
    #[error("name `{name}` has {length} characters: use at most 253")]
    TooLong {
        /// The first 80 characters of the name.
        name: String,
        /// The length of the name's text in bytes, without a trailing dot.
        length: usize,
    },
    /// The name begins with a dot, or has two dots in a row.
    #[error("name `{name}` has an empty part: write single dots, and none in front")]
    EmptyLabel {
        /// The first 80 characters of the name.
        name: String,
    },
    /// A label has more than 63 characters.
    #[error(
        "name `{name}`: its part `{label}` is too long: use at most 63 characters between dots"
    )]
    LabelTooLong {
        /// The first 80 characters of the name.
        name: String,
        /// The first 80 characters of the label.
        label: String,
    },
    /// The name has a character that is not an ASCII letter, digit, `-` or `_`.
    #[error(
        "name `{name}` has the character {character:?}: use ASCII letters, digits, `-` and `_` \
         (other scripts as punycode, xn--...)"
    )]
    Character {
        /// The first 80 characters of the name.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
}

impl NameError {
    /// Returns a code for programs, such as `dns-name-empty`, which is the same in every release.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "dns-name-empty",
            Self::TooLong { .. } => "dns-name-too-long",
            Self::EmptyLabel { .. } => "dns-name-empty-label",
            Self::LabelTooLong { .. } => "dns-name-label-too-long",
            Self::Character { .. } => "dns-name-character",
        }
    }
}

impl Name {
    /// Returns the name in wire format, lower-cased, with the root label at its end.
    pub(crate) fn as_wire(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let shown = || text.chars().take(MAX_SHOWN).collect::<String>();
        let bare = text.strip_suffix('.').unwrap_or(text);
        if bare.is_empty() {
            return Err(NameError::Empty);
        }
        if bare.len() + 2 > MAX_WIRE {
            return Err(NameError::TooLong {
                name: shown(),
                length: bare.len(),
            });
        }
        let mut wire = Vec::with_capacity(bare.len() + 2);
        for label in bare.split('.') {
            if label.is_empty() {
                return Err(NameError::EmptyLabel { name: shown() });
            }
            let odd = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            if let Some(character) = label.chars().find(odd) {
                return Err(NameError::Character {
                    name: shown(),
                    character,
                });
            }
            let length = u8::try_from(label.len()).unwrap_or(u8::MAX);
            if usize::from(length) > MAX_LABEL {
                return Err(NameError::LabelTooLong {
                    name: shown(),
                    label: label.chars().take(MAX_SHOWN).collect(),
                });
            }
            wire.push(length);
            wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        wire.push(0);
        Ok(Self(wire.into_boxed_slice()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<_> = labels(&self.0).map(String::from_utf8_lossy).collect();
        f.write_str(&labels.join("."))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// Returns the labels of an uncompressed name in wire format, without the root.
pub(crate) fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (&length, tail) = rest.split_first()?;
        let (label, tail) = tail.split_at_checked(usize::from(length))?;
        rest = tail;
        (!label.is_empty()).then_some(label)
    })
}

#[cfg(test)]
mod tests;
