//! The configuration of the guest's DNS resolver.

use super::{DomainName, Hostname};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use thiserror::Error;

/// The configuration of a VM's DNS resolver, which the agent writes to /etc/resolv.conf
/// (resolv.conf(5)).
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
    /// The most name servers in one configuration. Resolvers ignore more than 3 (`MAXNS` of
    /// resolv.conf(5)).
    pub const MAX_SERVERS: usize = 3;
    /// The most search domains in one configuration.
    pub const MAX_SEARCH: usize = 32;
    /// The most options of resolv.conf(5) in one configuration. Each option has 1 to 64 printable ASCII characters
    /// without spaces.
    pub const MAX_OPTIONS: usize = 32;

    /// Creates a configuration; each list may be empty. The name servers are asked in the given order. The search
    /// domains are appended to short names. `options` are those of resolv.conf(5), such as `ndots:1`.
    ///
    /// # Errors
    /// Returns [`ResolverError::TooMany`] if a list is too long, [`ResolverError::Option`] if an option is not one
    /// printable word of at most 64 characters.
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

    /// Returns the name servers' addresses, in the order in which they are asked.
    pub fn servers(&self) -> &[IpAddr] {
        &self.servers
    }

    /// Returns the domains that the resolver appends to short names, in order.
    pub fn search(&self) -> &[DomainName] {
        &self.search
    }

    /// Returns the options of resolv.conf(5), such as `ndots:1`.
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

/// The reason why values are not a valid [`Resolver`] configuration.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ResolverError {
    /// A list has more entries than allowed.
    #[error("resolver field `{field}` has {count} entries: at most {limit} are possible")]
    TooMany {
        /// The name of the list.
        field: &'static str,
        /// The number of its entries.
        count: usize,
        /// The greatest number allowed.
        limit: usize,
    },
    /// This option (its first 64 characters) is empty, has more than 64 characters, or is not one printable word.
    #[error(
        "resolver option `{0}` is not possible: use one printable word of at most 64 characters"
    )]
    Option(String),
}

/// One name in a VM's /etc/hosts (hosts(5)), with its address. An address with several names has several entries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostEntry {
    /// The address to which the name resolves.
    pub address: IpAddr,
    /// The name that the entry gives to the address.
    pub name: Hostname,
}
