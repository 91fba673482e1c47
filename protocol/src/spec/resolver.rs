//! What the guest's resolver files say.

use super::{DomainName, Hostname};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use thiserror::Error;

/// The resolver's configuration (resolv.conf(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ResolverParts", into = "ResolverParts")]
pub struct Resolver {
    servers: Vec<IpAddr>,
    search: Vec<DomainName>,
    options: Vec<String>,
}

/// A [`Resolver`] as it travels.
#[derive(Clone, Serialize, Deserialize)]
struct ResolverParts {
    servers: Vec<IpAddr>,
    search: Vec<DomainName>,
    options: Vec<String>,
}

impl Resolver {
    /// Most name servers: what resolv.conf(5) reads (`MAXNS`).
    pub const MAX_SERVERS: usize = 3;
    /// Most search domains.
    pub const MAX_SEARCH: usize = 32;
    /// Most options, each of at most 64 printable characters.
    pub const MAX_OPTIONS: usize = 32;

    /// Checks lengths and that each option is one printable word.
    pub fn new(
        servers: Vec<IpAddr>,
        search: Vec<DomainName>,
        options: Vec<String>,
    ) -> Result<Self, ResolverError> {
        for (field, count, limit) in [
            ("servers", servers.len(), Self::MAX_SERVERS),
            ("search", search.len(), Self::MAX_SEARCH),
            ("options", options.len(), Self::MAX_OPTIONS),
        ] {
            if count > limit {
                return Err(ResolverError::TooMany {
                    field,
                    count,
                    limit,
                });
            }
        }
        let word =
            |o: &&String| (1..=64).contains(&o.len()) && o.bytes().all(|b| b.is_ascii_graphic());
        if let Some(option) = options.iter().find(|o| !word(o)) {
            return Err(ResolverError::Option(option.chars().take(64).collect()));
        }
        Ok(Self {
            servers,
            search,
            options,
        })
    }

    /// Name servers, in the order in which they are asked.
    pub fn servers(&self) -> &[IpAddr] {
        &self.servers
    }

    /// Domains tried behind a short name.
    pub fn search(&self) -> &[DomainName] {
        &self.search
    }

    /// Options, as in `ndots:1`.
    pub fn options(&self) -> &[String] {
        &self.options
    }
}

impl TryFrom<ResolverParts> for Resolver {
    type Error = ResolverError;

    fn try_from(parts: ResolverParts) -> Result<Self, ResolverError> {
        Self::new(parts.servers, parts.search, parts.options)
    }
}

impl From<Resolver> for ResolverParts {
    fn from(resolver: Resolver) -> Self {
        Self {
            servers: resolver.servers,
            search: resolver.search,
            options: resolver.options,
        }
    }
}

/// Why something is not a resolver's configuration.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ResolverError {
    /// A list is longer than resolvers read.
    #[error("resolver field `{field}` has {count} entries: at most {limit} are possible")]
    TooMany {
        /// The list.
        field: &'static str,
        /// Its length.
        count: usize,
        /// The most that may be.
        limit: usize,
    },
    /// An option is empty, too long or not one word.
    #[error(
        "resolver option `{0}` is not possible: use one printable word of at most 64 characters"
    )]
    Option(String),
}

/// One line of the hosts file (hosts(5)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostEntry {
    /// The address.
    pub address: IpAddr,
    /// Its name.
    pub name: Hostname,
}
