//! References to images (names such as `busybox:1.36`), as Docker writes and normalises them
//! (distribution/reference).

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

const HUB: &str = "docker.io";
const OLD_HUB: &str = "index.docker.io";
const OFFICIAL: &str = "library/";
/// The most characters of a repository's name, registry included.
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// The part of a reference that selects an image of a repository: a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// The image that has this tag at present, such as `latest`.
    Tag(String),
    /// The image whose manifest or index has this digest. That is not the image's ID, which is its configuration's
    /// digest.
    Digest(Digest),
}

/// A reference to an image: registry, path and tag or digest, such as
/// `docker.io/library/busybox:latest`. Its text form is parsed with `str::parse`; missing parts get
/// Docker's defaults.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    registry: String,
    path: String,
    which: Which,
}

/// The reason for which a text is not a reference to an image. The messages are dockerd's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReferenceError {
    /// The text does not have the form `[registry/]path[:tag][@digest]`.
    #[error("invalid reference format")]
    Form,
    /// The path has an upper-case letter.
    #[error("invalid reference format: repository name must be lowercase")]
    Uppercase,
    /// Registry and path are together longer than 255 characters.
    #[error("invalid reference format: repository name must not be more than 255 characters")]
    Long,
    /// The text is 64 hex digits, so that it would be mistaken for an image's ID.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    Id(String),
}

impl Which {
    /// Returns the tag or digest as a registry's paths have it.
    pub(crate) fn reference(&self) -> String {
        match self {
            Self::Tag(tag) => tag.clone(),
            Self::Digest(digest) => digest.to_string(),
        }
    }
}

impl Reference {
    /// Returns the registry's host, with its port if one is given, such as `docker.io`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the path within the registry, such as `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the tag or digest of the reference.
    pub fn which(&self) -> &Which {
        &self.which
    }

    /// Returns registry and path, such as `docker.io/library/busybox`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// Returns registry and path as Docker shows them, without its defaults, such as `busybox`.
    pub fn familiar_repository(&self) -> String {
        if self.registry != HUB {
            return self.repository();
        }
        let path = self.path.strip_prefix(OFFICIAL);
        path.filter(|rest| !rest.contains('/'))
            .unwrap_or(&self.path)
            .to_owned()
    }

    /// Returns the whole reference as Docker shows it, such as `busybox:latest`: without the registry `docker.io` and
    /// the path's `library/`.
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_repository(), self.which)
    }

    /// Returns a reference to the same repository with another tag or digest.
    pub fn with(&self, which: Which) -> Self {
        Self {
            which,
            ..self.clone()
        }
    }

    /// Returns whether a text has neither a tag nor a digest, so that it names a whole repository. Does not check that
    /// the text is a valid reference.
    pub fn is_repository(text: &str) -> bool {
        let last = text.rsplit('/').next().unwrap_or(text);
        !last.contains([':', '@'])
    }

    /// Parses the parameters `repo` (here `repository`) and `tag` of Docker's API. `tag` may be a tag or a digest,
    /// which replaces a tag in `repository`. If it is empty, `repository` alone counts: a reference with or without a
    /// tag, which is `latest` by default.
    ///
    /// # Errors
    /// Returns [`ReferenceError`] if the repository or the tag is not valid.
    pub fn from_parts(repository: &str, tag: &str) -> Result<Self, ReferenceError> {
        if tag.is_empty() {
            repository.parse()
        } else if tag.contains(':') {
            format!("{repository}@{tag}").parse()
        } else {
            // `a:b` with tag `c`: the parameter wins, as in dockerd.
            let named: Self = repository.parse()?;
            if !is_tag(tag) {
                return Err(ReferenceError::Form);
            }
            Ok(named.with(Which::Tag(tag.to_owned())))
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, ":{tag}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.registry, self.path, self.which)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    /// Parses a reference. If it has both a tag and a digest, the digest counts.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.len() == 64 && text.bytes().all(is_lower_hex) {
            return Err(ReferenceError::Id(text.to_owned()));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = digest.parse().map_err(|_| ReferenceError::Form)?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => (before, Some(tag)),
            _ => (name, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Form);
        }
        let (registry, path) = split_registry(name);
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ReferenceError::Uppercase);
        }
        if !is_host(registry) || !path.split('/').all(is_component) {
            return Err(ReferenceError::Form);
        }
        let path = if registry == HUB && !path.contains('/') {
            format!("{OFFICIAL}{path}")
        } else {
            path.to_owned()
        };
        if registry.len() + 1 + path.len() > MAX_NAME {
            return Err(ReferenceError::Long);
        }
        let which = match (digest, tag) {
            (Some(digest), _) => Which::Digest(digest),
            (None, tag) => Which::Tag(tag.unwrap_or("latest").to_owned()),
        };
        Ok(Self {
            registry: registry.to_owned(),
            path,
            which,
        })
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

/// Splits a name at its first slash if the part before can be a registry: it has a dot, a port or upper case, or is
/// `localhost`.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((host, path))
            if host.contains(['.', ':'])
                || host == "localhost"
                || host.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            (if host == OLD_HUB { HUB } else { host }, path)
        }
        _ => (HUB, name),
    }
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

fn is_tag(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= MAX_TAG
        && bytes
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let address = address.parse::<std::net::Ipv6Addr>().is_ok();
            return address && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
        }
        None => text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters and digits, between them one `.`, one or two `_`, or any number of `-`.
fn is_component(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separator = String::new();
    let mut ended_well = false;
    for byte in text.bytes() {
        if part(byte) {
            let between = separator.is_empty()
                || matches!(separator.as_str(), "." | "_" | "__")
                || separator.bytes().all(|byte| byte == b'-');
            if !between || (!separator.is_empty() && !ended_well) {
                return false;
            }
            separator.clear();
            ended_well = true;
        } else if matches!(byte, b'.' | b'_' | b'-') {
            separator.push(char::from(byte));
        } else {
            return false;
        }
    }
    ended_well && separator.is_empty()
}

#[cfg(test)]
mod tests;
