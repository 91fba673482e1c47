//! The `filters` of lists, prunes and events: values by name.

use crate::{
    DockerError,
    time::{self, TimeBound},
};
use regex::RegexBuilder;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The maximum number of filters in a request, and of values of one filter.
const MAX_FILTERS: usize = 64;
/// The maximum size in bytes of a compiled pattern.
const MAX_PATTERN: usize = 1 << 18;

/// Filters by name. All names must match, and of each name at least one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

/// The values of a filter, in the present form and in the form before API 1.22.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Set(BTreeMap<String, bool>),
    List(Vec<String>),
}

impl Filters {
    /// Parses `{"name":{"value":true}}` or `{"name":["value"]}`. Without a text there are no
    /// filters.
    ///
    /// # Errors
    /// Returns 400 if the text is neither.
    pub fn parse(json: Option<&str>) -> Result<Self, DockerError> {
        let Some(json) = json else {
            return Ok(Self::default());
        };
        let invalid = |_| DockerError::invalid("invalid filter");
        let parsed: BTreeMap<String, Values> = serde_json::from_str(json).map_err(invalid)?;
        let mut filters = BTreeMap::new();
        for (name, values) in parsed {
            let values: BTreeSet<String> = match values {
                Values::Set(values) => values.into_keys().collect(),
                Values::List(values) => values.into_iter().collect(),
            };
            if values.len() > MAX_FILTERS || filters.len() >= MAX_FILTERS {
                let message = format!("more than {MAX_FILTERS} filters: give fewer");
                return Err(DockerError::invalid(message));
            }
            filters.insert(name, values);
        }
        Ok(Self(filters))
    }

    /// Returns the time of the filter `until`: a time, or an age as of now.
    ///
    /// # Errors
    /// Returns 400 if it is no time, or if there are several for networks.
    pub fn until(&self, bound: TimeBound) -> Result<Option<Duration>, DockerError> {
        let mut values = self.values("until");
        let text = values.next();
        if bound == TimeBound::NetworkPrune && values.next().is_some() {
            return Err(DockerError::invalid("more than one until filter specified"));
        }
        bound.read(text, time::now())
    }

    /// Checks that all filters are among the known ones.
    ///
    /// # Errors
    /// Returns 400 with the first unknown name.
    pub fn only(&self, known: &[&str]) -> Result<(), DockerError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let shown: String = name.chars().take(80).collect();
                Err(DockerError::invalid(format!("invalid filter '{shown}'")))
            }
        }
    }

    /// Returns the values of a name; none if there is no such filter.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Returns whether the filter has a value.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Returns whether a value equals the text, or the filter has no values.
    pub fn exact(&self, name: &str, text: &str) -> bool {
        !self.has(name) || self.values(name).any(|value| value == text)
    }

    /// Returns whether a value equals the text or is a pattern that matches a part of it, or the
    /// filter has no values.
    pub fn pattern(&self, name: &str, text: &str) -> bool {
        self.exact(name, text) || self.values(name).any(|value| found(value, text))
    }

    /// Returns whether the text begins with a value, or the filter has no values.
    pub fn prefix(&self, name: &str, text: &str) -> bool {
        !self.has(name) || self.values(name).any(|value| text.starts_with(value))
    }

    /// Returns whether the labels contain each value, written as `key` or as `key=value`.
    pub fn labels(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.values(name)
            .all(|wanted| match wanted.split_once('=') {
                Some((key, value)) => labels.get(key).is_some_and(|label| label == value),
                None => labels.contains_key(wanted),
            })
    }

    /// Returns whether an object with these labels matches `label` and `label!` of a prune.
    pub fn prunes(&self, labels: &BTreeMap<String, String>) -> bool {
        let kept = self.has("label!") && self.labels("label!", labels);
        self.labels("label", labels) && !kept
    }

    /// Returns dockerd's error for values that a filter does not accept.
    pub fn invalid(&self, name: &str) -> DockerError {
        let values: Vec<&str> = self.values(name).collect();
        DockerError::invalid(format!("invalid filter '{name}=[{}]'", values.join(" ")))
    }

    /// Returns the value of a boolean filter; `None` if there is no such filter.
    ///
    /// # Errors
    /// Returns 400 if the filter has several values or another value.
    pub fn switch(&self, name: &str) -> Result<Option<bool>, DockerError> {
        let mut values = self.values(name);
        let (Some(value), more) = (values.next(), values.next()) else {
            return Ok(None);
        };
        if more.is_some() {
            return Err(DockerError::invalid(format!(
                "got more than one value for filter key \"{name}\""
            )));
        }
        match value {
            "1" | "true" => Ok(Some(true)),
            "0" | "false" => Ok(Some(false)),
            _ => Err(DockerError::invalid(format!(
                "invalid value for filter '{name}', must be \"true\" (or \"1\"), or \"false\" (or \"0\")"
            ))),
        }
    }
}

/// Returns whether a pattern of RE2 matches a part of the text. This crate's syntax is the same
/// except for names of classes. As in dockerd, an invalid pattern matches nothing. The cost is
/// linear in the length of the text.
fn found(pattern: &str, text: &str) -> bool {
    let pattern = RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build();
    pattern.is_ok_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests;
