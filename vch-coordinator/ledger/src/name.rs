//! Names that people give: networks and containers; and paths that they give on the VCH.

use serde::{Deserialize, Serialize};
use std::{fmt, path::Path, str::FromStr};
use thiserror::Error;

/// Why text is not a name or path of its kind.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{kind} `{value}` is not possible: {remedy}")]
pub struct NameError {
    kind: &'static str,
    value: String,
    remedy: &'static str,
}

macro_rules! text {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $valid:expr, $remedy:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// As text.
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
            fn from(text: $type) -> Self {
                text.0
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

text!(
    /// A network's name: Docker's rule, `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, at most 128 characters.
    NetworkName,
    "network name",
    |text: &str| is_object_name(text, 1),
    "begin with a letter or digit and go on with letters, digits, `_`, `.` and `-`, 128 characters at most"
);

text!(
    /// A container's name: Docker's rule, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, at most 128 characters.
    ContainerName,
    "container name",
    |text: &str| is_object_name(text, 2),
    "use at least two characters: begin with a letter or digit and go on with letters, digits, `_`, `.` and `-`, 128 characters at most"
);

text!(
    /// The absolute path of a Unix socket: at most 107 bytes (`sun_path` of linux/un.h, less the
    /// closing zero).
    SocketPath,
    "socket path",
    |text: &str| is_path(text, 107),
    "give an absolute path of at most 107 bytes without empty parts, `.` and `..`"
);

text!(
    /// The absolute path of a network namespace's file: at most 255 bytes.
    NamespacePath,
    "network namespace path",
    |text: &str| is_path(text, 255),
    "give an absolute path of at most 255 bytes without empty parts, `.` and `..`, as in /run/netns/NAME"
);

impl AsRef<Path> for SocketPath {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl AsRef<Path> for NamespacePath {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

fn is_object_name(text: &str, shortest: usize) -> bool {
    (shortest..=128).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_path(text: &str, longest: usize) -> bool {
    text.len() <= longest
        && text.len() > 1
        && text.starts_with('/')
        && !text.chars().any(char::is_control)
        // One file, one text: two spellings of a path would be two channels.
        && text
            .split('/')
            .skip(1)
            .all(|part| !matches!(part, "" | "." | ".."))
}
