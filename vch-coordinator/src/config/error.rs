//! The errors of a configuration, which name the file, the line, the field, the value and the
//! remedy.

use ipnet::IpNet;
use std::{
    fmt, io,
    net::IpAddr,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
    str::FromStr,
};
use thiserror::Error;
use toml::Spanned;

/// The maximum number of characters of a line that an error shows.
const MAX_SHOWN: usize = 120;

/// Why a configuration file is not valid.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: write one, or name another with --config", file.display())]
    Read {
        /// The path of the file.
        file: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The text is not TOML, or has an unknown field or a value of a wrong type.
    #[error("{}:{line}: {message}, in `{written}`: see vch.example.toml", file.display())]
    Syntax {
        /// The path of the file.
        file: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The message of the TOML parser.
        message: String,
        /// The text of that line, at most its first 120 characters.
        written: String,
    },
    /// A required table or field is missing.
    #[error("{}: `{field}` is missing: {remedy}", file.display())]
    Missing {
        /// The path of the file.
        file: PathBuf,
        /// The table or field.
        field: &'static str,
        /// The remedy: what to write into the file.
        remedy: &'static str,
    },
    /// A value is not valid.
    #[error("{}:{line}: `{field}` cannot be `{value}`: {remedy}", file.display())]
    Field {
        /// The path of the file.
        file: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The field, with its table.
        field: &'static str,
        /// The value as it is written in the file.
        value: String,
        /// The remedy: what to write instead of the value.
        remedy: String,
    },
}

/// The text of the configuration file that is being checked, and its path; makes the errors.
pub(super) struct Source<'a> {
    /// The path of the file, for errors.
    pub file: &'a Path,
    /// The text of the file, from which the line of an error is computed.
    pub text: &'a str,
}

impl Source<'_> {
    /// Returns a [`ConfigError::Syntax`] for an error of the TOML parser.
    pub fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let line = error.span().map_or(1, |span| self.line(&span));
        let written = self.text.lines().nth(line - 1).unwrap_or_default();
        ConfigError::Syntax {
            file: self.file.to_owned(),
            line,
            message: error.message().to_owned(),
            written: written.trim().chars().take(MAX_SHOWN).collect(),
        }
    }

    /// Returns a [`ConfigError::Field`]: `value` at `span` is not valid, `remedy` is what to write instead.
    pub fn field(
        &self,
        span: Range<usize>,
        field: &'static str,
        value: String,
        remedy: &str,
    ) -> ConfigError {
        ConfigError::Field {
            file: self.file.to_owned(),
            line: self.line(&span),
            field,
            value,
            remedy: remedy.to_owned(),
        }
    }

    /// Returns a [`ConfigError::Missing`]: the table or field is required, `remedy` is what to write.
    pub fn missing(&self, field: &'static str, remedy: &'static str) -> ConfigError {
        ConfigError::Missing {
            file: self.file.to_owned(),
            field,
            remedy,
        }
    }

    /// Parses the value of a field. `remedy` is what an error tells to write; `None` for the text of the parser's own
    /// error.
    ///
    /// # Errors
    /// Returns [`ConfigError::Field`] if the text does not parse.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(
        &self,
        field: &'static str,
        value: &Spanned<String>,
        remedy: Option<&str>,
    ) -> Result<T, ConfigError> {
        let text = value.get_ref();
        text.parse().map_err(|error: T::Err| {
            let own = error.to_string();
            self.field(value.span(), field, text.clone(), remedy.unwrap_or(&own))
        })
    }

    /// Parses the value of a field as an address that a host can have and that other hosts can reach.
    ///
    /// # Errors
    /// Returns [`ConfigError::Field`] if the text is not such an address.
    pub fn host(
        &self,
        field: &'static str,
        value: &Spanned<String>,
    ) -> Result<IpAddr, ConfigError> {
        let remedy = "write an IP address without a prefix length";
        let address: IpAddr = self.parsed(field, value, Some(remedy))?;
        let reason = match address {
            _ if address.is_loopback() => "loopback addresses belong to no network",
            _ if address.is_multicast() => "it is a multicast address",
            _ if address.is_unspecified() => "it is no address of one host",
            IpAddr::V4(v4) if v4.is_broadcast() => "it is no address of one host",
            IpAddr::V6(v6) if v6.is_unicast_link_local() => "link-local addresses are of no use",
            _ => return Ok(address),
        };
        let remedy = format!("{reason}: write one that others on its network can reach");
        Err(self.field(value.span(), field, value.get_ref().clone(), &remedy))
    }

    /// Parses the value of a field as a subnet that has room for hosts, without host bits.
    ///
    /// # Errors
    /// Returns [`ConfigError::Field`] if the text is not such a subnet.
    pub fn net(&self, field: &'static str, value: &Spanned<String>) -> Result<IpNet, ConfigError> {
        let remedy = "write a subnet, as in 10.2.0.0/16 or 2001:db8::/64";
        let net: IpNet = self.parsed(field, value, Some(remedy))?;
        let remedy = match vch_ledger::unusable(&net) {
            _ if net.trunc() != net => format!("it has host bits: write {}", net.trunc()),
            Some(reason) => format!("{reason}: write a subnet of hosts"),
            None => return Ok(net),
        };
        Err(self.field(value.span(), field, net.to_string(), &remedy))
    }

    /// Returns the number in a field, or `default` if the field is left out, after checking that it is in `range`.
    ///
    /// # Errors
    /// Returns [`ConfigError::Field`] if the number is outside the range.
    pub fn number(
        &self,
        field: &'static str,
        value: Option<Spanned<u64>>,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        match value {
            None => Ok(default),
            Some(value) if range.contains(value.get_ref()) => Ok(value.into_inner()),
            Some(value) => {
                let remedy = format!("use {} to {}", range.start(), range.end());
                let shown = value.get_ref().to_string();
                Err(self.field(value.span(), field, shown, &remedy))
            }
        }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }
}
