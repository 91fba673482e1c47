//! Names: of interfaces, hosts and domains.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// Why something is not a name of its kind.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{kind} `{value}` is not possible: {remedy}")]
pub struct NameError {
    kind: &'static str,
    value: String,
    remedy: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $valid:path, $remedy:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                if $valid(&text) {
                    return Ok(Self(text));
                }
                let value = text.chars().take(300).collect();
                Err(NameError { kind: $kind, value, remedy: $remedy })
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

name!(
    /// A link's name: what the kernel's `dev_valid_name` lets through, in printable ASCII.
    InterfaceName,
    "interface name",
    is_interface_name,
    "use 1 to 15 printable ASCII characters without `/`, `:` and spaces"
);

name!(
    /// A host's name: one label or several (RFC 1123, section 2.1), with underscores inside labels
    /// let through since container names have them.
    Hostname,
    "host name",
    is_domain_name,
    "use labels of 1 to 63 letters, digits, `-` and `_` that begin and end with a letter or digit, joined by dots, 253 characters at most"
);

name!(
    /// A domain, as in a resolver's search list.
    DomainName,
    "domain name",
    is_domain_name,
    "use labels of 1 to 63 letters, digits, `-` and `_` that begin and end with a letter or digit, joined by dots, 253 characters at most"
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

fn is_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(inner)
        && label.starts_with(|c: char| c.is_ascii_alphanumeric())
        && label.ends_with(|c: char| c.is_ascii_alphanumeric())
}
