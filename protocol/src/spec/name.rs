//! Names of interfaces, hosts and domains.

use thiserror::Error;

/// The error for a text that is not a valid name. Its message has the kind of name, the text and a
/// remedy.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{kind} `{value}` is not possible: {remedy}")]
pub struct NameError {
    kind: &'static str,
    value: String,
    remedy: &'static str,
}

impl NameError {
    /// Creates the error for a `kind` of name such as "host name", the invalid `text` (only its
    /// first 300 characters are kept), and the `remedy` as an English phrase.
    #[must_use]
    pub fn new(kind: &'static str, text: &str, remedy: &'static str) -> Self {
        let value = text.chars().take(300).collect();
        Self {
            kind,
            value,
            remedy,
        }
    }
}

/// Defines a type whose values are checked texts: `text!(/// docs Type, "kind of name", is_valid, "remedy")`, where
/// `is_valid` is a function from `&str` to `bool`. Parsing or deserializing an invalid text returns a [`NameError`]
/// with the kind and the remedy. The caller's crate needs `serde`.
#[macro_export]
macro_rules! text {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $valid:expr, $remedy:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::spec::NameError;

            fn try_from(text: String) -> Result<Self, $crate::spec::NameError> {
                if $valid(&text) {
                    return Ok(Self(text));
                }
                Err($crate::spec::NameError::new($kind, &text, $remedy))
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $crate::spec::NameError;

            fn from_str(text: &str) -> Result<Self, $crate::spec::NameError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }
    };
}

text!(
    /// The name of a network interface: 1 to 15 printable ASCII characters without `/`, `:` and spaces, and not `.` or
    /// `..`, as the kernel's `dev_valid_name` demands.
    InterfaceName,
    "interface name",
    is_interface_name,
    "use 1 to 15 printable ASCII characters without `/`, `:` and spaces"
);

text!(
    /// The name of a host: one or several labels joined by dots (RFC 1123, section 2.1), at most 253 characters. A
    /// label has 1 to 63 letters, digits, `-` and `_`, and begins and ends with a letter or digit. Underscores are
    /// allowed, since names of containers have them.
    Hostname,
    "host name",
    is_domain_name,
    "use labels of 1 to 63 letters, digits, `-` and `_` that begin and end with a letter or digit, joined by dots, 253 characters at most"
);

text!(
    /// The name of a DNS domain, as in a resolver's search list: `.` for the root domain, or labels joined by dots
    /// (1 to 63 letters, digits, `-` and `_` each), at most 253 characters. It does not end with a dot.
    DomainName,
    "domain name",
    is_search_domain,
    "use `.` or labels of 1 to 63 letters, digits, `-` and `_` that begin and end with a letter or digit, joined by dots, 253 characters at most"
);

fn is_interface_name(text: &str) -> bool {
    // IFNAMSIZ of linux/if.h is 16, with the closing zero.
    (1..=15).contains(&text.len())
        && text != "."
        && text != ".."
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'/' && b != b':')
}

fn is_domain_name(text: &str) -> bool {
    // RFC 1035, section 2.3.4: 255 octets on the wire are 253 characters of text.
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_search_domain(text: &str) -> bool {
    text == "." || is_domain_name(text)
}

fn is_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(inner)
        && label.starts_with(|c: char| c.is_ascii_alphanumeric())
        && label.ends_with(|c: char| c.is_ascii_alphanumeric())
}
