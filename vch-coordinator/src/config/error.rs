//! Errors that name file, line, field, value and remedy.

use std::{
    io,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
};
use thiserror::Error;
use toml::Spanned;

/// Most characters of a line that an error shows.
const MAX_SHOWN: usize = 120;

/// Why a configuration was not taken.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read {}: write one, or name another with --config", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML of the right shape.
    #[error("{}:{line}: {message}, in `{written}`: see vch.example.toml", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
        /// That line, as far as it is shown.
        written: String,
    },
    /// A value is not possible.
    #[error("{}:{line}: `{field}` cannot be `{value}`: {remedy}", file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The field, with its table.
        field: &'static str,
        /// What was written.
        value: String,
        /// What to write instead.
        remedy: String,
    },
}

/// The text that is being checked, and whose it is.
pub(super) struct Source<'a> {
    pub file: &'a Path,
    pub text: &'a str,
}

impl Source<'_> {
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

    /// A number that must lie in a range.
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
