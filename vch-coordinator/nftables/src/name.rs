//! Names and comments, checked when they are created.

use std::borrow::Cow;
use std::fmt;

use crate::abi;

/// The error for a text that the kernel, or nft's syntax, does not allow as a name, prefix or comment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} {problem}")]
pub struct NameError {
    /// The kind of text: "name", "interface name", "interface prefix" or "comment".
    pub what: &'static str,
    /// The refused value, cut to 64 characters.
    pub value: String,
    /// The rule that the text breaks, as an English phrase with the characters and lengths that are allowed.
    pub problem: &'static str,
}

impl NameError {
    fn new(what: &'static str, value: &str, problem: &'static str) -> Self {
        Self {
            what,
            value: value.chars().take(64).collect(),
            problem,
        }
    }
}

/// The name of a table, chain, set or map, as nft allows it: a letter or `_`, then letters, digits, `_`, `-`, `.` and
/// `/`, at most 255 bytes (`NFT_NAME_MAXLEN`). A name that was read from the kernel may have other characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Cow<'static, str>);

impl Name {
    const PROBLEM: &'static str =
        "must be a letter or '_', then letters, digits, '_', '-', '.' or '/', at most 255 bytes";

    /// Makes a name of a text.
    ///
    /// # Errors
    /// Returns [`NameError`] if the text is empty, too long or has a character that is not allowed.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if is_identifier(name.as_bytes()) {
            Ok(Self(Cow::Owned(name)))
        } else {
            Err(NameError::new("name", &name, Self::PROBLEM))
        }
    }

    /// Returns a literal as a name, checked at compile time; the macro [`name!`](crate::name) calls
    /// it.
    #[doc(hidden)]
    #[must_use]
    pub const fn literal(name: &'static str) -> Self {
        assert!(is_identifier(name.as_bytes()), "not an identifier of nft");
        Self(Cow::Borrowed(name))
    }

    /// Makes a name of bytes that the kernel sent, without a check: another program may have made
    /// it by other rules.
    pub(crate) fn from_kernel(bytes: &[u8]) -> Self {
        Self(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A [`Name`] from a literal that is checked when it is compiled.
///
/// ```
/// let table = vch_nftables::name!("vch");
/// assert_eq!(table.as_str(), "vch");
/// ```
/// ```compile_fail
/// let table = vch_nftables::name!("no spaces");
/// ```
#[macro_export]
macro_rules! name {
    ($name:literal) => {
        const { $crate::Name::literal($name) }
    };
}

const fn is_identifier(bytes: &[u8]) -> bool {
    if bytes.is_empty() || bytes.len() > abi::NAME_MAX {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let first = byte.is_ascii_alphabetic() || byte == b'_';
        let later = byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'/');
        if !(first || at > 0 && later) {
            return false;
        }
        at += 1;
    }
    true
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a network interface: 1 to 15 visible ASCII characters without `/`, `"` and `*` (`IFNAMSIZ` of
/// `linux/if.h`, less its NUL).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName([u8; InterfaceName::LENGTH]);

impl InterfaceName {
    /// The length of an interface's name in the kernel, in bytes: 15 for the name and 1 for its NUL (`IFNAMSIZ`).
    pub const LENGTH: usize = 16;
    const PROBLEM: &'static str =
        "must be 1 to 15 ASCII characters without space, '/', '\"' or '*'";

    /// Makes the name of an interface; the interface need not exist.
    ///
    /// # Errors
    /// Returns [`NameError`] if the text is empty, too long or has a character that is not allowed.
    pub fn new(name: &str) -> Result<Self, NameError> {
        Self::from_bytes(name.as_bytes())
            .ok_or_else(|| NameError::new("interface name", name, Self::PROBLEM))
    }

    /// Returns the name in the zero-padded bytes of a register; `None` if they are not a valid
    /// name.
    pub(crate) fn from_register(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0)?;
        Self::from_bytes(&bytes[..end])
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let good = (1..Self::LENGTH).contains(&bytes.len())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'"' | b'*'));
        let mut name = [0; Self::LENGTH];
        name.get_mut(..bytes.len())?.copy_from_slice(bytes);
        good.then_some(Self(name))
    }

    pub(crate) fn register(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0);
        std::str::from_utf8(&self.0[..end.unwrap_or(Self::LENGTH)]).unwrap_or_default()
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InterfaceName({self})")
    }
}

/// The first 1 to 14 characters of interfaces' names: a rule can match all interfaces whose names begin so (`iifname
/// "vt-*"`). The prefix itself is without the `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfacePrefix(InterfaceName);

impl InterfacePrefix {
    const PROBLEM: &'static str =
        "must be 1 to 14 ASCII characters without space, '/', '\"' or '*'";

    /// Makes a prefix of a text, which is given without a `*` at its end.
    ///
    /// # Errors
    /// Returns [`NameError`] if the text is empty, too long or has a character that is not allowed.
    pub fn new(prefix: &str) -> Result<Self, NameError> {
        InterfaceName::from_bytes(prefix.as_bytes())
            .filter(|_| prefix.len() < InterfaceName::LENGTH - 1)
            .map(Self)
            .ok_or_else(|| NameError::new("interface prefix", prefix, Self::PROBLEM))
    }

    /// Returns the prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for InterfacePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A comment on a rule, or the prefix of a log line: 1 to 127 printable ASCII characters without
/// `"` and `\` (nft's own limit, `NFTNL_UDATA_COMMENT_MAXLEN`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comment(String);

impl Comment {
    const MAX: usize = 127;
    const PROBLEM: &'static str =
        "must be 1 to 127 printable ASCII characters without '\"' and '\\'";

    /// Makes a comment of a text.
    ///
    /// # Errors
    /// Returns [`NameError`] if the text is empty, too long or has a character that is not allowed.
    pub fn new(comment: impl Into<String>) -> Result<Self, NameError> {
        let comment = comment.into();
        let good = (1..=Self::MAX).contains(&comment.len())
            && comment
                .bytes()
                .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
        if good {
            Ok(Self(comment))
        } else {
            Err(NameError::new("comment", &comment, Self::PROBLEM))
        }
    }

    /// Returns the comment as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests;
